// In the audio thread: how loud both sides are, and how long after the user's last sound the agent's first one comes.
// Both sides are read by the same clock, in windows of some 10 ms.

const WINDOW_FRAMES = 480;
const OWN_LOUD = 0.01;
const AGENT_LOUD = 0.003;
const SPEECH_WINDOWS = 10;
const PAUSE_SECONDS = 0.3;
const FORGOTTEN_SECONDS = 15;
const SHOWN_EVERY_WINDOWS = 8;

class Side {
  constructor(loud) {
    this.loud = loud;
    this.sum = 0;
    this.level = 0;
    this.lastSound = -Infinity;
  }

  add(input) {
    for (const sample of input[0] ?? []) {
      this.sum += sample * sample;
    }
  }

  // Whether the window that ends now had sound in it.
  finish(now) {
    this.level = Math.sqrt(this.sum / WINDOW_FRAMES);
    this.sum = 0;
    if (this.level < this.loud) {
      return false;
    }
    this.lastSound = now;
    return true;
  }
}

class Meter extends AudioWorkletProcessor {
  own = new Side(OWN_LOUD);
  agent = new Side(AGENT_LOUD);
  frames = 0;
  windows = 0;
  spoken = 0;

  process([own, agent]) {
    this.own.add(own);
    this.agent.add(agent);
    this.frames += 128;
    if (this.frames >= WINDOW_FRAMES) {
      this.frames -= WINDOW_FRAMES;
      this.window(currentTime);
    }
    return true;
  }

  window(now) {
    const paused = now - this.agent.lastSound > PAUSE_SECONDS;
    if (this.own.finish(now)) {
      this.spoken += 1;
    }
    if (this.agent.finish(now) && paused) {
      const seconds = now - this.own.lastSound;
      if (this.spoken >= SPEECH_WINDOWS && seconds < FORGOTTEN_SECONDS) {
        this.port.postMessage({ heardSeconds: seconds });
      }
      this.spoken = 0;
    }
    this.windows += 1;
    if (this.windows % SHOWN_EVERY_WINDOWS === 0) {
      this.port.postMessage({ own: this.own.level, agent: this.agent.level });
    }
  }
}

registerProcessor("meter", Meter);
