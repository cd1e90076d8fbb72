// The sound of both sides on its way to the meter. What it cannot do (no AudioWorklet) the call goes on without.

export class Levels {
  #context = new AudioContext();
  #meter;

  // `told` has levels(own, agent), 0 to 1 each, and heard(seconds).
  constructor(told) {
    this.told = told;
    this.#meter = this.#made().catch(() => null);
  }

  async #made() {
    await this.#context.audioWorklet.addModule(new URL("meter.js", import.meta.url));
    const meter = new AudioWorkletNode(this.#context, "meter", { numberOfInputs: 2, outputChannelCount: [1] });
    meter.port.onmessage = ({ data }) => this.#say(data);
    meter.connect(this.#context.destination);
    return meter;
  }

  #say({ heardSeconds, own, agent }) {
    if (heardSeconds !== undefined) {
      this.told.heard(heardSeconds);
    } else {
      this.told.levels(shown(own), shown(agent));
    }
  }

  own(stream) {
    this.#add(stream, 0);
  }

  agent(stream) {
    this.#add(stream, 1);
  }

  async #add(stream, input) {
    const meter = await this.#meter;
    if (meter && this.#context.state !== "closed") {
      this.#context.createMediaStreamSource(stream).connect(meter, 0, input);
    }
  }

  close() {
    this.#context.close();
  }
}

// -60 to 0 dB as 0 to 1.
function shown(level) {
  return Math.min(1, Math.max(0, 1 + Math.log10(level + 1e-6) / 3));
}
