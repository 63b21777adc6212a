"use strict";
document.documentElement.classList.add("js");

// One player: a sound for each version, of which one is chosen; the others wait where they are.
class Player {
  constructor(figure) {
    this.figure = figure;
    this.seconds = Number(figure.dataset.seconds);
    this.sounds = [...figure.querySelectorAll("audio")];
    this.tracks = [...figure.querySelectorAll(".track")];
    this.buttons = [...figure.querySelectorAll("button.version")];
    this.seek = figure.querySelector(".seek");
    this.chosen = Number(figure.dataset.chosen);
    this.position = 0;
    this.playing = false;
    figure.querySelector("button.play").addEventListener("click", () => this.toggle());
    this.buttons.forEach((button, index) => button.addEventListener("click", () => this.choose(index)));
    this.seek.addEventListener("input", () => this.moveTo(Number(this.seek.value)));
    for (const picture of figure.querySelectorAll(".timed")) {
      picture.addEventListener("pointerdown", (event) => {
        const box = picture.getBoundingClientRect();
        this.moveTo(((event.clientX - box.left) / box.width) * this.seconds);
      });
    }
    this.sounds.forEach((sound, index) => sound.addEventListener("ended", () => {
      if (index === this.chosen) { this.pause(); this.moveTo(0); }
    }));
    for (const event of ["pointerdown", "focusin"]) figure.addEventListener(event, () => { Player.last = this; });
    this.show();
  }

  get sound() { return this.sounds[this.chosen]; }

  choose(index) {
    if (index < 0 || index >= this.sounds.length || index === this.chosen) return;
    const before = this.sound;
    if (this.playing) this.position = before.currentTime;
    this.chosen = index;
    this.tracks.forEach((track, each) => track.classList.toggle("chosen", each === index));
    this.buttons.forEach((button, each) => button.setAttribute("aria-pressed", String(each === index)));
    this.sound.currentTime = this.position;
    before.pause();
    if (this.playing) this.start();
    this.show();
  }

  toggle() { this.playing ? this.pause() : this.play(); }

  play() {
    for (const other of Player.all) if (other !== this) other.pause();
    Player.last = this;
    this.playing = true;
    this.sound.currentTime = this.position;
    this.start();
    this.figure.classList.add("playing");
    this.figure.querySelector("button.play").setAttribute("aria-label", "Pause");
    requestAnimationFrame(() => this.follow());
  }

  start() {
    const started = this.sound.play();
    if (started) started.catch((error) => { if (error.name !== "AbortError") this.pause(); });
  }

  pause() {
    if (!this.playing) return;
    this.position = this.sound.currentTime;
    this.playing = false;
    this.sound.pause();
    this.figure.classList.remove("playing");
    this.figure.querySelector("button.play").setAttribute("aria-label", "Play");
    this.show();
  }

  moveTo(seconds) {
    this.position = Math.min(Math.max(seconds, 0), this.seconds);
    this.sound.currentTime = this.position;
    this.show();
  }

  follow() {
    if (!this.playing) return;
    if (!this.sound.seeking) this.position = this.sound.currentTime;
    this.show();
    requestAnimationFrame(() => this.follow());
  }

  show() {
    const share = `${(100 * this.position) / this.seconds}%`;
    for (const cursor of this.figure.querySelectorAll(".cursor")) cursor.style.left = share;
    this.seek.value = this.position;
    this.figure.querySelector(".time").textContent = `${this.position.toFixed(1)} / ${this.seconds.toFixed(1)} s`;
  }
}

Player.all = [...document.querySelectorAll(".player")].map((figure) => new Player(figure));
Player.last = Player.all[0];

document.addEventListener("keydown", (event) => {
  const player = Player.last, target = event.target;
  if (!player || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (/^[1-9]$/.test(event.key)) {
    player.choose(Number(event.key) - 1);
    return;
  }
  const inPlayer = player.figure.contains(target);
  if (event.key === " ") {
    // Elsewhere space does what it does there: it presses a button, and opens a summary.
    const pressed = target.matches("button.version[aria-pressed=true]");
    if (!pressed && target.matches("button, summary, a, pre, .scroll")) return;
    player.toggle();
  } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    if (target.matches("input, pre, .scroll")) return;
    player.moveTo(player.position + (event.key === "ArrowLeft" ? -1 : 1));
  } else if (inPlayer && !target.matches("input") && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
    const count = player.sounds.length, step = event.key === "ArrowUp" ? count - 1 : 1;
    player.choose((player.chosen + step) % count);
  } else {
    return;
  }
  event.preventDefault();
});

// On paper nothing can be opened any more.
addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("details:not([open])")) {
    each.open = true;
    each.dataset.printed = "";
  }
});
addEventListener("afterprint", () => {
  for (const each of document.querySelectorAll("details[data-printed]")) {
    each.open = false;
    delete each.dataset.printed;
  }
});
