// One call: microphone, connection, session; from the press of Talk to the end, whoever ends it.

import { Problem, UNREACHABLE, deniedMicrophone, unusableMicrophone } from "./problems.js";
import * as sessions from "./sessions.js";

const GATHERING_SECONDS = 4;
const CONNECTING_SECONDS = 20;
const CAMERA = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 15 } };

export class Call {
  #aborted = new AbortController();
  #over = null;
  #microphone = null;
  #peer = null;
  #channel = null;
  #closing = null;

  // `told` has step(text), camera(stream), session(id), connection(state), message(value), sound(stream) and
  // ended(problem or null).
  constructor(id, options, told) {
    this.id = id;
    this.sessionId = null;
    this.options = options;
    this.told = told;
    this.ended = new Promise((resolve) => (this.#over = resolve));
  }

  async run() {
    const { signal } = this.#aborted;
    let problem = null;
    try {
      await Promise.race([this.#connect(signal), aborted(signal)]);
      problem = await this.ended;
    } catch (error) {
      problem = signal.aborted ? null : asProblem(error);
    }
    this.#clear();
    this.told.ended(problem);
  }

  get microphone() {
    return this.#microphone;
  }

  set muted(muted) {
    for (const track of this.#microphone.getAudioTracks()) {
      track.enabled = !muted;
    }
  }

  hangUp() {
    this.#aborted.abort();
    this.#over(null);
    this.#clear();
  }

  // While the page goes away, which waits for nothing.
  leave() {
    this.#aborted.abort();
    if (this.sessionId !== null) {
      sessions.closeByBeacon(this.id, this.sessionId);
      this.sessionId = null;
    }
    this.#disconnect();
  }

  // What comes after the end (a microphone, a session) is given back as soon as it is there: a start is never taken
  // back, since nobody could say then whether there is a session.
  async #connect(signal) {
    const step = (text) => {
      signal.throwIfAborted();
      this.told.step(text);
    };
    try {
      step(this.options.camera ? "Asking for microphone and camera" : "Asking for the microphone");
      this.#microphone = await microphone(this.options.camera);
      step("Looking for ways to the agent");
      if (this.options.camera) {
        this.told.camera(this.#microphone);
      }
      const offer = await this.#offer(await sessions.iceServers(this.id, signal));
      step("Starting the agent");
      this.sessionId = await sessions.start(this.id, offer, this.options);
      step("Waiting for the agent's answer");
      this.told.session(this.sessionId);
      const sdp = await sessions.answerOf(this.id, this.sessionId, signal);
      step("Connecting");
      await this.#peer.setRemoteDescription({ type: "answer", sdp });
      await this.#connected(signal);
    } finally {
      if (signal.aborted) {
        this.#clear();
      }
    }
  }

  async #offer(iceServers) {
    const peer = (this.#peer = new RTCPeerConnection({ iceServers }));
    for (const track of this.#microphone.getTracks()) {
      peer.addTrack(track, this.#microphone);
    }
    this.#channel = peer.createDataChannel("greenroom");
    this.#channel.addEventListener("message", ({ data }) => this.#heard(JSON.parse(data)));
    this.#channel.addEventListener("close", () => this.#left());
    peer.addEventListener("track", ({ track, streams }) => this.told.sound(streams[0] ?? new MediaStream([track])));
    peer.addEventListener("connectionstatechange", () => this.#changed());
    await peer.setLocalDescription();
    await gathered(peer);
    return peer.localDescription.sdp;
  }

  #connected(signal) {
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => reject(noConnection()), CONNECTING_SECONDS * 1000);
      const look = () => {
        if (["connected", "failed", "closed"].includes(this.#peer.connectionState)) {
          clearTimeout(limit);
          this.#peer.connectionState === "connected" ? resolve() : reject(noConnection());
        }
      };
      signal.addEventListener("abort", () => clearTimeout(limit));
      this.#peer.addEventListener("connectionstatechange", look);
      look();
    });
  }

  #heard(message) {
    if (!this.#aborted.signal.aborted) {
      this.told.message(message);
    }
  }

  #changed() {
    if (this.#aborted.signal.aborted) {
      return;
    }
    this.told.connection(this.#peer.connectionState);
    if (this.#peer.connectionState === "failed") {
      this.#over(new Problem("The connection is lost.", UNREACHABLE));
    }
  }

  // The agent's side of the connection has gone.
  async #left() {
    if (this.#aborted.signal.aborted) {
      return;
    }
    const how = await sessions.howItEnded(this.id, this.sessionId);
    if (how) {
      this.sessionId = null; // there is nothing left to close
    }
    this.#over(new Problem("The agent has left the call.", how));
  }

  // The session is closed by request, so that its end says so; the connection goes after it.
  async #clear() {
    this.#aborted.abort();
    this.#microphone?.getTracks().forEach((track) => track.stop());
    if (this.sessionId !== null) {
      this.#closing = sessions.close(this.id, this.sessionId);
      this.sessionId = null;
    }
    await this.#closing;
    this.#disconnect();
  }

  #disconnect() {
    if (this.#channel?.readyState === "open") {
      this.#channel.send(JSON.stringify({ type: "bye" }));
    }
    this.#peer?.close();
  }
}

// With a camera its picture is in the same stream.
async function microphone(camera) {
  const unusable = unusableMicrophone();
  if (unusable) {
    throw unusable;
  }
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
      video: camera && CAMERA,
    });
  } catch (error) {
    throw deniedMicrophone(error, camera);
  }
}

// All ways are known, or those that are known after some seconds: an unreachable relay must not hold up the call.
function gathered(peer) {
  return new Promise((resolve) => {
    const limit = setTimeout(resolve, GATHERING_SECONDS * 1000);
    const look = () => {
      if (peer.iceGatheringState === "complete") {
        clearTimeout(limit);
        resolve();
      }
    };
    peer.addEventListener("icegatheringstatechange", look);
    look();
  });
}

function aborted(signal) {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

function noConnection() {
  return new Problem("There is no connection between this browser and the agent.", UNREACHABLE);
}

function asProblem(error) {
  return error instanceof Problem ? error : new Problem(`The call failed: ${error.message}`);
}
