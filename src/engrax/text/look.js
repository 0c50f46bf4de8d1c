"use strict";
// Moves through the text: colors what was read, fills the meters, moves the cursors.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const text = document.getElementById("text"), slider = document.getElementById("at");
  const play = document.getElementById("play"), choice = document.getElementById("which");
  const spans = data.letters.map((letter) => {
    const span = document.createElement("span");
    span.textContent = letter;
    text.append(span);
    return span;
  });
  const meters = data.synapses.map((_, k) => document.getElementById("meter" + k));
  const cursors = data.synapses.map((_, k) => document.getElementById("cursor" + k));
  slider.max = spans.length - 1;
  let timer = 0, last = null;

  function paint() {
    const synapse = data.synapses[choice.value];
    spans.forEach((span, t) => {
      const grown = synapse.growth[t];
      span.style.background = grown > 0 ? `rgba(${synapse.color}, ${0.15 + 0.75 * grown})` : "";
    });
  }
  function show() {
    const now = Number(slider.value);
    spans.forEach((span, t) => span.classList.toggle("read", t <= now));
    if (last) last.classList.remove("now");
    last = spans[now];
    last.classList.add("now");
    const above = last.offsetTop - text.offsetTop;
    if (above < text.scrollTop || above > text.scrollTop + text.clientHeight - 30) {
      text.scrollTop = above - text.clientHeight / 2;
    }
    data.synapses.forEach((synapse, k) => {
      meters[k].querySelector("i").style.width = 100 * synapse.strength[now] + "%";
      meters[k].querySelector("b").textContent = Math.round(100 * synapse.strength[now]) + " %";
      const x = data.left + (data.width * (now + 1)) / spans.length;
      cursors[k].setAttribute("x1", x);
      cursors[k].setAttribute("x2", x);
    });
  }
  function stop() {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Read";
  }
  play.addEventListener("click", () => {
    if (timer) return stop();
    if (Number(slider.value) >= spans.length - 1) slider.value = 0;
    play.textContent = "Stop";
    timer = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      show();
      if (Number(slider.value) >= spans.length - 1) stop();
    }, 40);
  });
  slider.addEventListener("input", show);
  choice.addEventListener("change", paint);
  document.body.classList.add("live");
  // Open where the first synapse is strongest.
  const first = data.synapses[0].strength;
  slider.value = first.indexOf(Math.max(...first));
  paint();
  show();
})();
