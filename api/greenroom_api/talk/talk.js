// The page at /talk: buttons to calls. ?call=, ?call_type= and ?runtime= say what a call is to be other than usual,
// ?camera shows the agent the camera too.

import { Call } from "./call.js";
import { Conversation } from "./conversation.js";
import { Levels } from "./levels.js";
import * as page from "./page.js";
import { unusableMicrophone } from "./problems.js";

const wanted = new URLSearchParams(location.search);
const options = {
  runtime: wanted.get("runtime") ?? undefined,
  callType: wanted.get("call_type") ?? undefined,
  camera: wanted.has("camera"),
};
let call = null;

async function talk() {
  page.clear();
  const conversation = new Conversation();
  const levels = new Levels({ levels: page.levels, heard: (seconds) => conversation.heardAfter(seconds) });
  call = new Call(wanted.get("call") ?? madeUp(), options, {
    step: (text) => page.show("starting", text),
    camera: (stream) => page.mirror(stream),
    session: (id) => page.session(call.id, id),
    connection(state) {
      page.connection(state);
      if (state === "connected") {
        page.show("talking", "In the call");
      } else if (state === "disconnected") {
        page.show("talking", "Connection interrupted");
      }
    },
    message: (value) => conversation.message(value),
    sound(stream) {
      page.play(stream);
      levels.own(call.microphone);
      levels.agent(stream);
    },
    ended(problem) {
      levels.close();
      page.play(null);
      page.hearing("");
      page.mirror(null);
      page.connection("none");
      page.problem(problem);
      page.show("ended", problem ? "Ended" : "Hung up");
      page.talk.focus();
    },
  });
  page.session(call.id, null);
  setMute(false);
  page.show("starting", "Starting");
  page.hangUp.focus();
  await call.run();
}

function setMute(muted) {
  page.mute.setAttribute("aria-pressed", String(muted));
  page.mute.textContent = muted ? "Muted" : "Mute";
}

function madeUp() {
  const digits = crypto.getRandomValues(new Uint8Array(6));
  return `talk-${Array.from(digits, (digit) => digit.toString(16).padStart(2, "0")).join("")}`;
}

page.talk.addEventListener("click", talk);
page.hangUp.addEventListener("click", () => call.hangUp());
page.mute.addEventListener("click", () => {
  const muted = page.mute.getAttribute("aria-pressed") !== "true";
  setMute(muted);
  call.muted = muted;
});
window.addEventListener("pagehide", () => call?.leave());

const unusable = unusableMicrophone();
page.problem(unusable);
page.talk.disabled = unusable !== null;
