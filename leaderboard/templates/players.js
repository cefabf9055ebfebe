// One set of controls for all videos of a clip, kept within a frame of the first, the target.
// Without this script each video keeps its own controls.
(() => {
  const players = [...document.querySelectorAll("[data-player]")].map(player);

  function player(root) {
    const videos = [...root.querySelectorAll("video")];
    const [lead] = videos;
    const fps = Number(root.dataset.fps);
    const frames = Number(root.dataset.frames);
    const views = JSON.parse(root.dataset.views);
    const find = (name) => root.querySelector(`[data-control="${name}"]`);
    const [play, back, forward, scrub, where, speed, loop, trouble] =
      ["play", "back", "forward", "scrub", "where", "speed", "loop", "trouble"].map(find);
    let playing = false;
    let asked = 0; // a newer request overtakes one that still waits for its videos

    for (const part of root.querySelectorAll(".controls, .moment")) part.hidden = false;
    loop.checked = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    for (const video of videos) {
      video.controls = false;
      video.addEventListener("error", () => tell(video, "its video cannot be played here"));
    }

    const time = (frame) => (frame + 0.5) / fps; // its middle: no rounding lands on a neighbour
    const frame = () => Math.min(frames - 1, Math.floor(lead.currentTime * fps + 0.01));
    const working = () => videos.filter((video) => !video.error);

    function tell(video, what) {
      trouble.hidden = false;
      trouble.textContent += ` ${video.getAttribute("aria-label")}: ${what}.`;
    }

    function ready(video) {
      if (video.readyState >= 2) return Promise.resolve();
      return new Promise((done) => {
        for (const event of ["loadeddata", "error"]) {
          video.addEventListener(event, done, { once: true });
        }
        if (video.preload !== "auto") {
          video.preload = "auto";
          video.load();
        }
      });
    }

    async function place(seconds) {
      await Promise.all(working().map(ready));
      await Promise.all(working().map((video) => {
        if (Math.abs(video.currentTime - seconds) < 1e-4) return null;
        return new Promise((done) => {
          for (const event of ["seeked", "error"]) {
            video.addEventListener(event, done, { once: true });
          }
          video.currentTime = seconds;
        });
      }));
    }

    async function start(seconds) {
      const request = ++asked;
      for (const other of players) if (other.root !== root) other.pause();
      playing = true;
      label();
      await place(seconds);
      if (request !== asked) return;
      for (const video of working()) video.playbackRate = Number(speed.value);
      const started = await Promise.allSettled(working().map((video) => video.play()));
      started.forEach(({ reason }, index) => {
        if (reason && reason.name !== "AbortError") tell(working()[index], reason.message);
      });
      if (request === asked) requestAnimationFrame(tick);
    }

    // A video that is seeking is left alone, or it would never arrive.
    function tick() {
      if (!playing) return;
      for (const video of working()) {
        const drift = Math.abs(video.currentTime - lead.currentTime);
        if (drift > 1 / fps && !video.seeking && !video.ended) video.currentTime = lead.currentTime;
      }
      show();
      requestAnimationFrame(tick);
    }

    function pause() {
      asked += 1;
      if (!playing) return;
      playing = false;
      for (const video of videos) video.pause();
      label();
      go(frame());
    }

    async function go(to) {
      const request = ++asked;
      const target = Math.max(0, Math.min(frames - 1, to));
      const resume = playing;
      await place(time(target));
      if (request !== asked) return;
      show();
      if (resume) start(lead.currentTime);
    }

    function label() {
      play.textContent = playing ? "Pause" : "Play";
      play.setAttribute("aria-pressed", String(playing));
    }

    function show() {
      const now = frame();
      const words = `Frame ${now + 1} of ${frames}`;
      scrub.value = String(now);
      scrub.setAttribute("aria-valuetext", `${words}, ${views[now]}`);
      where.textContent = `${words} · ${views[now]}`;
      for (const reference of root.querySelectorAll("[data-view]")) {
        reference.classList.toggle("now", reference.dataset.view === views[now]);
      }
    }

    lead.addEventListener("ended", () => {
      if (!playing) return;
      if (loop.checked) start(0);
      else pause();
    });
    play.addEventListener("click", () => {
      if (playing) pause();
      else start(lead.ended || frame() === frames - 1 ? 0 : lead.currentTime);
    });
    for (const [button, step] of [[back, -1], [forward, 1]]) {
      button.addEventListener("click", () => {
        pause();
        go(frame() + step);
      });
    }
    scrub.addEventListener("input", () => go(Number(scrub.value)));
    speed.addEventListener("change", () => {
      for (const video of videos) video.playbackRate = Number(speed.value);
    });
    new IntersectionObserver((entries) => {
      if (!entries[entries.length - 1].isIntersecting) pause();
    }).observe(root);
    show();
    return { root, pause };
  }
})();
