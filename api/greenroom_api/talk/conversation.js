// What the agent tells over the data channel and the meter measures, as lines and figures of the page.

import * as page from "./page.js";

export class Conversation {
  #answer = null;
  #remarks = {};
  #figures = { "agent-seconds": [], "heard-seconds": [] };

  message(event) {
    switch (event.type) {
      case "agent.user_transcript":
        return this.#heard(event);
      case "agent.agent_turn_started":
        return this.#begun(event);
      case "agent.agent_transcript":
        return this.#speaks(event);
      case "agent.agent_turn_ended":
        return this.#ended(event);
      case "agent.tool_called":
        return this.#called(event);
      case "agent.error":
        return page.line("note failed", "", `${event.part} failed: ${event.error}`);
      case "custom":
        return page.line("note", "", JSON.stringify(event.custom));
      default: // others may come to be
    }
  }

  // By the page's own measure. It may come before the agent's words do, or after.
  heardAfter(seconds) {
    this.#figure("heard-seconds", seconds);
    this.#remark({ heard: `heard after ${page.seconds(seconds)}` });
  }

  #heard({ text, final }) {
    page.hearing(final ? "" : text);
    if (final && text) {
      page.line("user", "you", text);
    }
  }

  #begun({ response_seconds: seconds }) {
    if (typeof seconds === "number") {
      this.#figure("agent-seconds", seconds);
      this.#remark({ answered: `answered in ${page.seconds(seconds)}` });
    }
  }

  #speaks({ text }) {
    if (this.#answer) {
      page.goOn(this.#answer, ` ${text}`);
    } else {
      this.#answer = page.line("agent", "agent", text);
      this.#remark({});
    }
  }

  #ended({ text, interrupted }) {
    if (this.#answer && interrupted) {
      page.correct(this.#answer, text ? `${text} …` : "…");
      this.#remark({ interrupted: "interrupted" });
    }
    this.#answer = null;
    this.#remarks = {};
  }

  #called({ name, output, failed, arguments: given }) {
    const words = Object.entries(given ?? {}).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
    page.line(failed ? "tool failed" : "tool", "", `${name}(${words.join(", ")}) → ${output}`);
  }

  #remark(more) {
    Object.assign(this.#remarks, more);
    if (this.#answer) {
      page.remark(this.#answer, Object.values(this.#remarks).join(" · "));
    }
  }

  #figure(row, seconds) {
    const all = this.#figures[row];
    all.push(seconds);
    page.figure(row, seconds, all.reduce((sum, value) => sum + value, 0) / all.length);
  }
}
