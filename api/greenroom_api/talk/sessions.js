// The REST routes that a call needs, each relative to the page's own address, so that a path prefix before it stays.

import { Problem, refused } from "./problems.js";
import { authorization } from "./token.js";

const ROOT = new URL(".", document.baseURI);
const ANSWER_WAIT_SECONDS = 10;
const ANSWER_SECONDS = 60;
const CLOSE_SECONDS = 3;
const RECORD_TRIES = 10;
const RECORD_PAUSE_SECONDS = 0.3;

// Of the sessions that this page has started, where the server asks who its callers are: a beacon has no headers.
const closeTokens = new Map();

export async function iceServers(callId, signal) {
  const answer = await ask("GET", `talk/settings/${encodeURIComponent(callId)}`, { signal });
  if (!answer.ok) {
    throw await refused(answer);
  }
  return (await answer.json()).ice_servers;
}

// The id of a session whose agent has the offer.
export async function start(callId, offer, { runtime, callType }) {
  const body = JSON.stringify({ runtime, call_type: callType, parameters: { offer } });
  const answer = await ask("POST", sessionsOf(callId), { body });
  if (!answer.ok) {
    throw await refused(answer);
  }
  const id = (await answer.json()).session_id;
  closeTokens.set(id, answer.headers.get("Greenroom-Close-Token"));
  return id;
}

// The agent's SDP.
export async function answerOf(callId, sessionId, signal) {
  const end = performance.now() + ANSWER_SECONDS * 1000;
  const address = `${path(callId, sessionId)}/answer?wait_seconds=${ANSWER_WAIT_SECONDS}`;
  while (performance.now() < end) {
    const answer = await ask("GET", address, { signal });
    if (answer.status === 404) {
      throw new Problem("The session has ended before it answered.", await howItEnded(callId, sessionId));
    }
    if (answer.status === 200) {
      return (await answer.json()).answer;
    }
    if (answer.status !== 204) {
      throw await refused(answer);
    }
  }
  throw new Problem("The agent does not answer the call.", "Its log says why.");
}

// As far as this server tells it, and knows it soon: the agent leaves the call first, and the record follows.
export async function howItEnded(callId, sessionId) {
  try {
    for (let tries = 0; tries < RECORD_TRIES; tries += 1) {
      const { sessions } = await (await ask("GET", sessionsOf(callId))).json();
      const session = sessions.find((item) => item.session_id === sessionId);
      if (session.ended_at) {
        return [session.phase, session.reason, session.message].filter(Boolean).join(", ");
      }
      await new Promise((resolve) => setTimeout(resolve, RECORD_PAUSE_SECONDS * 1000));
    }
  } catch {
    // Not everybody may look at sessions.
  }
  return "";
}

// A server that does not answer is not waited for long: the agent notices the end of the connection, too.
export async function close(callId, sessionId) {
  try {
    await ask("DELETE", path(callId, sessionId), { signal: AbortSignal.timeout(CLOSE_SECONDS * 1000) });
  } catch {
    // The end of the connection tells the agent.
  }
}

export function closeByBeacon(callId, sessionId) {
  const address = new URL(`${path(callId, sessionId)}/close`, ROOT);
  const token = closeTokens.get(sessionId);
  if (token) {
    address.searchParams.set("token", token);
  }
  navigator.sendBeacon(address);
}

function sessionsOf(callId) {
  return `calls/${encodeURIComponent(callId)}/sessions`;
}

function path(callId, sessionId) {
  return `${sessionsOf(callId)}/${sessionId}`;
}

async function ask(method, address, { body, signal } = {}) {
  const headers = { ...authorization(), ...(body ? { "Content-Type": "application/json" } : {}) };
  try {
    return await fetch(new URL(address, ROOT), { method, body, headers, signal });
  } catch (error) {
    if (error.name === "AbortError") {
      throw error;
    }
    throw new Problem("The server cannot be reached.", "Is it still running?");
  }
}
