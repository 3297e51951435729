// The page works without this: it adds the player, the search and the filters. Texts of the log are never markup here.
(() => {
  "use strict";
  const one = (selector) => document.querySelector(selector);
  const rows = [...document.querySelectorAll(".row")];
  const times = rows.map((row) => Number(row.dataset.at));
  const search = one("#search");
  const filters = [...document.querySelectorAll(".kinds input")];

  const recording = JSON.parse(one("#recording").textContent);
  let player = null;
  if (recording.length > 1) {
    player = AsciinemaPlayer.create({ data: recording }, one("#player"), {
      fit: "width", controls: true, preload: true, theme: "asciinema", terminalLineHeight: 1.25, poster: "npt:" + one("#player").dataset.poster,
    });
  }

  // The row of what the player shows
  let current = null;
  const show = (time, follow) => {
    let low = 0, high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] <= time + 0.0005) low = middle + 1; else high = middle;
    }
    let index = low - 1;
    while (index >= 0 && rows[index].hidden) index -= 1;
    mark(index < 0 ? null : rows[index], follow);
  };
  const mark = (row, follow) => {
    if (row === current) return;
    if (current) current.removeAttribute("aria-current");
    current = row;
    if (!row) return;
    row.setAttribute("aria-current", "true");
    if (follow) row.scrollIntoView({ block: "nearest" });
  };
  if (player) {
    let ticking = 0;
    const tick = () => show(player.getCurrentTime(), true);
    player.addEventListener("playing", () => { clearInterval(ticking); ticking = setInterval(tick, 200); });
    for (const name of ["pause", "ended"]) player.addEventListener(name, () => clearInterval(ticking));
    player.addEventListener("marker", tick);
  }

  const seek = (time) => {
    if (!player) return;
    one("#player").classList.add("sought");
    player.seek(time + 0.0005); // its times are sums of floats; and a seek to the picture shown at first would do nothing
  };
  document.addEventListener("click", (event) => {
    const jump = event.target.closest(".jump");
    if (jump) {
      const row = jump.closest(".row");
      seek(Number(row.dataset.at));
      mark(row, false);
      return;
    }
    const from = event.target.closest("[data-at]");
    if (!from || from.classList.contains("row")) return;
    seek(Number(from.dataset.at));
    show(Number(from.dataset.at), true);
  });

  // Search and filters
  const texts = new Map();
  const text = (row) => {
    if (!texts.has(row)) texts.set(row, row.textContent.toLowerCase());
    return texts.get(row);
  };
  const opened = new Set();
  const paint = (found, wanted) => {
    if (!window.CSS || !CSS.highlights || typeof Highlight === "undefined") return;
    const ranges = [];
    if (wanted) {
      for (const row of found) {
        const walker = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
        while (walker.nextNode() && ranges.length < 2000) {
          const lower = walker.currentNode.data.toLowerCase();
          for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, at + wanted.length)) {
            if (at + wanted.length > walker.currentNode.data.length) break;
            const range = new Range();
            range.setStart(walker.currentNode, at);
            range.setEnd(walker.currentNode, at + wanted.length);
            ranges.push(range);
          }
        }
      }
    }
    CSS.highlights.set("found", new Highlight(...ranges));
  };
  const apply = () => {
    const kinds = new Set(filters.filter((box) => box.checked).map((box) => box.value));
    const wanted = search.value.trim().toLowerCase();
    for (const details of opened) details.open = false;
    opened.clear();
    const found = [];
    for (const row of rows) {
      const kept = kinds.has(row.dataset.kind) && (!wanted || text(row).includes(wanted));
      row.hidden = !kept;
      if (!kept) continue;
      found.push(row);
      const details = wanted && row.querySelector("details:not([open])");
      if (details && details.textContent.toLowerCase().includes(wanted)) { details.open = true; opened.add(details); }
    }
    one("#count").textContent = found.length + " of " + rows.length;
    one("#none").hidden = found.length > 0;
    paint(found, wanted);
  };
  let waiting = 0;
  search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(apply, 120); });
  for (const box of filters) box.addEventListener("change", apply);
  one("#all").addEventListener("click", () => {
    const on = filters.some((box) => !box.checked);
    for (const box of filters) box.checked = on;
    apply();
  });
  apply();

  // Keys
  const step = (by) => {
    const shown = rows.filter((row) => !row.hidden);
    const at = shown.indexOf(document.activeElement.closest(".row") || current);
    const next = shown[Math.min(Math.max(at + by, 0), shown.length - 1)];
    if (next) next.querySelector(".jump").focus();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest("input, select, textarea, .ap-wrapper");
    if (event.key === "Escape" && event.target === search) {
      search.value = "";
      apply();
      search.blur();
    } else if (event.key === "Enter" && event.target === search) {
      const first = rows.find((row) => !row.hidden);
      if (first) first.querySelector(".jump").focus();
    } else if (typing) {
      return;
    } else if (event.key === "/") {
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "j" || event.key === "k") {
      step(event.key === "j" ? 1 : -1);
    } else if (event.key === "p" && player) {
      playing ? player.pause() : player.play();
    }
  });
  let playing = false;
  if (player) {
    player.addEventListener("playing", () => { playing = true; });
    for (const name of ["pause", "ended"]) player.addEventListener(name, () => { playing = false; });
  }

  // Colours, printing
  const root = document.documentElement;
  one("#theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll(".row:not([hidden]) details:not([open])")];
    for (const details of closed) details.open = true;
  });
  addEventListener("afterprint", () => { for (const details of closed) details.open = false; });
  if (location.hash) {
    const row = document.getElementById(location.hash.slice(1));
    if (row && row.classList.contains("row")) row.querySelector(".jump").click();
  }
})();
