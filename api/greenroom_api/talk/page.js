// The page's parts, and what is written into them.

const part = (id) => document.getElementById(id);

export const talk = part("talk");
export const mute = part("mute");
export const hangUp = part("hang-up");
const transcript = part("transcript");

// state: idle, starting, talking, ended
export function show(state, text) {
  document.body.dataset.state = state;
  part("state").textContent = text;
}

export function problem(found) {
  part("problem").hidden = !found;
  part("problem-text").textContent = found?.message ?? "";
  part("problem-help").textContent = found?.help ?? "";
}

export function session(callId, sessionId) {
  part("call-id").textContent = callId;
  part("session-id").textContent = sessionId ?? "–";
}

export function connection(state) {
  part("connection").textContent = state;
}

export function play(stream) {
  part("sound").srcObject = stream;
}

// What the agent is shown; null: nothing.
export function mirror(stream) {
  part("mirror").srcObject = stream;
  part("mirror").hidden = !stream;
}

export function levels(own, agent) {
  part("own-level").style.transform = `scaleX(${own})`;
  part("agent-level").style.transform = `scaleX(${agent})`;
}

// A new conversation: nothing of the one before.
export function clear() {
  problem(null);
  transcript.replaceChildren();
  transcript.hidden = true;
  part("welcome").hidden = false;
  hearing("");
  play(null);
  mirror(null);
  connection("none");
  for (const row of ["agent-seconds", "heard-seconds"]) {
    figure(row, null, null);
  }
}

// What is being said just now, and may still change.
export function hearing(text) {
  part("hearing").textContent = text;
  part("hearing").hidden = !text;
}

// One more line of the conversation; `kind` is user, agent, tool or note.
export function line(kind, who, text) {
  const item = document.createElement("li");
  item.className = kind;
  if (who) {
    item.append(element("span", "who", who));
  }
  item.append(element(kind === "tool" ? "code" : "span", "words", text));
  part("welcome").hidden = true;
  transcript.hidden = false;
  transcript.append(item);
  scroll();
  return item;
}

// More of a line: only this is read out.
export function goOn(item, text) {
  item.querySelector(".words").append(text);
  scroll();
}

export function correct(item, text) {
  item.querySelector(".words").textContent = text;
  scroll();
}

// A remark below a line: how long it took, that it was cut off. Not read out in the middle of a conversation.
export function remark(item, text) {
  let found = item.querySelector(".aside");
  if (!found) {
    found = element("div", "aside", "");
    found.setAttribute("aria-hidden", "true");
    item.append(found);
  }
  found.textContent = text;
  scroll();
}

export function figure(row, last, average) {
  const [lastCell, averageCell] = part(row).querySelectorAll("td");
  lastCell.textContent = seconds(last);
  averageCell.textContent = seconds(average);
}

export function seconds(value) {
  return value === null ? "–" : `${value.toFixed(2)}\u00a0s`;
}

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function scroll() {
  transcript.scrollTop = transcript.scrollHeight;
}
