// What may go wrong, in words for the person in front of the page: what happened, and what helps.

export class Problem extends Error {
  constructor(text, help = "") {
    super(text);
    this.help = help;
  }
}

const NO_OFFER =
  "The agent has to take the browser's offer: async def create_agent(offer: str) with edge=local.Edge(offer), " +
  "as examples/talk_agent.py does.";

export const UNREACHABLE =
  "Sound goes directly between this browser and the agent's pod, so the pod's address must be reachable from here, " +
  "as it is with `make up` and `serve`. Elsewhere a relay is needed: set GREENROOM_TURN_URL for the API and the agent.";

export function unusableMicrophone() {
  if (!window.isSecureContext) {
    return new Problem(
      "The microphone works on https:// pages and on localhost only.",
      `This page came from ${location.origin}. Open it by https, or make the port one of this machine, for instance ` +
        "with ssh -L or kubectl port-forward.",
    );
  }
  return navigator.mediaDevices?.getUserMedia && window.RTCPeerConnection
    ? null
    : new Problem("This browser has no WebRTC.");
}

export function deniedMicrophone(error, camera) {
  const device = camera ? "microphone or camera" : "microphone";
  switch (error.name) {
    case "NotAllowedError":
      return new Problem(
        `The ${device} is denied.`,
        "Allow it in the browser's settings for this page, then press Talk.",
      );
    case "NotFoundError":
      return new Problem(`No ${device} was found.`, "Connect one, then press Talk.");
    default:
      return new Problem(`The ${device} does not work: ${error.message}`, "Another program may be using it.");
  }
}

export async function refused(answer) {
  const detail = await detailOf(answer);
  const after = answer.headers.get("retry-after");
  const again = after ? `Try again in ${after} s.` : "";
  switch (answer.status) {
    case 401:
      return new Problem(`You may not talk here: ${detail}`, "Open the page with a token: put #token=… behind its address.");
    case 403:
      return new Problem(`You may not talk here: ${detail}`, "Who may start a session is the server's setting.");
    case 422:
      return new Problem(`The agent cannot take this call: ${detail}`, /\boffer\b/.test(detail) ? NO_OFFER : "");
    case 429:
      return new Problem(`All places are taken: ${detail}`, again);
    case 500:
      return new Problem(`The agent failed: ${detail}`, "Its log says why.");
    default:
      return new Problem(`No agent could be started: ${detail}`, again);
  }
}

async function detailOf(answer) {
  try {
    const { detail } = await answer.json();
    return Array.isArray(detail) ? detail.map(({ loc, msg }) => `${loc.join(".")}: ${msg}`).join("; ") : String(detail);
  } catch {
    return `${answer.status} ${answer.statusText}`;
  }
}
