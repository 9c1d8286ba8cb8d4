"use strict";
// The list of labels: decoded once, searched and sorted in memory; the table holds one page of it at a time.
(async () => {
  const at = (id) => document.getElementById(id);
  const PAGE = +at("list").dataset.page;
  const status = at("found");

  async function unpacked(id) {
    const text = atob(at(id).textContent);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  }

  if (!("DecompressionStream" in window)) {
    status.textContent += " Searching and sorting need a newer browser.";
    return;
  }
  const data = JSON.parse(new TextDecoder().decode(await unpacked("packed-labels")));
  const n = data.track.length;
  const genres = data.genres;
  const set = (name, value) => { const flags = new Uint8Array(n); for (const i of name) flags[i] = value; return flags; };
  const gone = set(data.gone, 1);
  const fresh = new Uint8Array(n);
  data.fresh.reduce((begin, length, i) => (fresh.fill(i % 2, begin, begin + length), begin + length), 0);
  const uriOf = (i) => (data.uris[i] ? data.uris[i][0] : data.base + data.track[i]);
  const hrefOf = (i) => {
    if (data.uris[i]) return data.uris[i][1];
    const path = uriOf(i);
    return path.startsWith("/") ? "file://" + path.split("/").map(encodeURIComponent).join("/") : null;
  };
  const clock = (s) => `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;

  function element(tag, properties = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name in made && name !== "list") made[name] = value; else made.setAttribute(name, value);
    }
    made.append(...children.filter((child) => child !== null));
    return made;
  }

  // Searching: without case and accents, every word somewhere in name or address. Made when first asked for.
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  let hay = null;
  const haystack = () => (hay ??= data.track.map((track, i) => plain(data.uris[i] ? `${track} ${data.uris[i][0]}` : track)));

  // Sorting: a key a row, as numbers; the place in the file, which is by name, decides between equals.
  const rank = (names) => { const order = [...names.keys()].sort((a, b) => (names[a] < names[b] ? -1 : 1)); const r = []; order.forEach((g, i) => (r[g] = i)); return r; };
  const ranks = rank(genres);
  const keys = {
    genre: (i) => ranks[data.genre[i]], sure: (i) => data.sure[i],
    second: (i) => (data.second[i] < 0 ? -1 : ranks[data.second[i]]), seconds: (i) => data.seconds[i],
  };
  const shows = { there: (i) => !gone[i], fresh: (i) => fresh[i] && !gone[i], was: (i) => data.was[i] !== undefined && !gone[i], gone: (i) => gone[i] };
  const state = { key: "sure", down: false, page: 0, rows: [], open: null };

  function sorted(chosen) {
    if (state.key === "track") return state.down ? chosen.reverse() : chosen;
    // Key and place in one number, which a typed array sorts several times faster than by comparing.
    const key = keys[state.key], sign = state.down ? -1 : 1;
    const codes = Float64Array.from(chosen, (i) => sign * key(i) * n + i).sort();
    return Uint32Array.from(codes, (code) => ((code % n) + n) % n);
  }

  function choose() {
    const words = plain(at("words").value).split(/\s+/).filter(Boolean);
    const genre = at("genre").value, shown = shows[at("show").value];
    const texts = words.length ? haystack() : null;
    const chosen = [];
    for (let i = 0; i < n; i++) {
      if (!shown(i) || (genre !== "" && data.genre[i] !== +genre)) continue;
      if (texts && !words.every((word) => texts[i].includes(word))) continue;
      chosen.push(i);
    }
    state.rows = sorted(chosen);
    state.page = 0;
    state.open = null;
    draw();
  }

  function named(i) {
    const cut = data.track[i].lastIndexOf("/") + 1;
    const part = (className, text) => element("span", { className }, element("bdi", {}, text));
    return [cut ? part("folder", data.track[i].slice(0, cut)) : null, part("name", data.track[i].slice(cut))].filter(Boolean);
  }

  function cells(i) {
    const picture = data.pictures[i];
    const pick = element("button", { type: "button", className: "pick", "aria-expanded": String(state.open === i) });
    pick.append(...named(i));
    pick.addEventListener("click", () => toggle(i));
    const second = data.second[i] < 0 ? null : genres[data.second[i]];
    const genre = element("td", {}, genres[data.genre[i]]);
    if (data.genre[i] !== data.best[i]) genre.append(" ", element("span", { className: "small" }, `${genres[data.best[i]]}?`));
    if (data.was[i] !== undefined) genre.append(" ", element("span", { className: "tag" }, `was ${genres[data.was[i]]}`));
    genre.append(" ", element("span", { className: "small narrow" }, `then ${second ?? "none"}`));
    return [
      element("th", { scope: "row" }, picture ? element("img", { src: picture, width: 160, height: 32, alt: "" }) : null, pick),
      genre,
      element("td", { className: "n" }, `${Math.round(data.sure[i] / 10)}%`),
      element("td", { className: "wide" }, second ?? "–", element("span", { className: "small" }, second ? `${Math.round(data.next[i] / 10)}%` : "")),
      element("td", { className: "n wide" }, clock(data.seconds[i])),
    ];
  }

  function draw() {
    const pages = Math.max(1, Math.ceil(state.rows.length / PAGE));
    const body = at("list").tBodies[0];
    body.replaceChildren();
    for (const i of state.rows.slice(state.page * PAGE, (state.page + 1) * PAGE)) {
      const row = element("tr", {}, ...cells(i));
      row.dataset.row = i;
      body.append(row);
    }
    status.textContent = `${state.rows.length.toLocaleString("en")} ${state.rows.length === 1 ? "label" : "labels"} of ${n.toLocaleString("en")}`;
    at("page").textContent = `Page ${(state.page + 1).toLocaleString("en")} of ${pages.toLocaleString("en")}`;
    at("back").disabled = state.page === 0;
    at("on").disabled = state.page >= pages - 1;
    for (const head of at("list").tHead.querySelectorAll("th")) {
      if (head.dataset.key === state.key) head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  }

  // Timelines: read when the first track is opened.
  let lines = null;
  const NONE = "It has no timeline: segments are written where label-catalog is run with --segments.";
  const LEFT_OUT = `Its timeline was left out of this page by report --segments ${at("list").dataset.segments}: genre-batch query has it.`;
  async function timeline(i) {
    if (!lines) {
      const buffer = await unpacked("packed-timelines");
      const counts = new Uint32Array(buffer, 4, n);
      const begins = new Uint32Array(n + 1);
      counts.forEach((count, k) => (begins[k + 1] = begins[k] + count));
      const m = begins[n], first = 4 + 4 * n;
      lines = { begins, start: new Uint32Array(buffer, first, m), genre: new Uint8Array(buffer, first + 4 * m, m), sure: new Uint8Array(buffer, first + 5 * m, m), left: new Uint8Array(buffer, first + 6 * m, n) };
    }
    const segments = [];
    for (let k = lines.begins[i]; k < lines.begins[i + 1]; k++) segments.push({ start: lines.start[k] / 10, genre: genres[lines.genre[k]] ?? "?", sure: lines.sure[k] });
    return segments;
  }

  function lanes(i, segments) {
    const steps = segments.slice(1).map((segment, k) => segment.start - segments[k].start);
    const hop = steps.length ? Math.min(...steps) : data.seconds[i] - segments[0].start || 1;
    const whole = Math.max(data.seconds[i], segments[segments.length - 1].start + (steps.length ? hop : 0)) || 1;
    const grid = element("div", { className: "time", role: "img" });
    const spoken = [];
    for (const segment of segments) {
      const last = spoken[spoken.length - 1];
      if (last && last.genre === segment.genre && segment.start <= last.end + 0.05) { last.end = segment.start + hop; last.sures.push(segment.sure); }
      else spoken.push({ genre: segment.genre, start: segment.start, end: segment.start + hop, sures: [segment.sure] });
    }
    const told = spoken.map((part) => {
      const mean = Math.round(part.sures.reduce((a, b) => a + b) / part.sures.length);
      return `${clock(Math.round(part.start))} to ${clock(Math.round(Math.min(part.end, whole)))} ${part.genre}, ${mean}%`;
    });
    grid.setAttribute("aria-label", `Timeline: ${told.join("; ")}`);
    if (data.pictures[i]) grid.append(element("span", { className: "of small" }, "spectrum"), element("img", { src: data.pictures[i], alt: "" }));
    const seen = [...new Set(segments.map((segment) => segment.genre))];
    seen.sort((a, b) => segments.filter((s) => s.genre === b).length - segments.filter((s) => s.genre === a).length);
    for (const genre of seen) {
      const lane = element("div", { className: "lane" });
      for (const segment of segments.filter((s) => s.genre === genre)) {
        const block = element("span", { title: `${clock(Math.round(segment.start))} ${genre}, ${segment.sure}%` });
        block.style.left = `${(100 * segment.start) / whole}%`;
        block.style.width = `${(100 * Math.min(hop, whole - segment.start)) / whole}%`;
        block.style.opacity = String(0.25 + (0.75 * segment.sure) / 100);
        lane.append(block);
      }
      grid.append(element("span", { className: "of" }, genre), lane);
    }
    grid.append(element("span"), element("div", { className: "ticks" }, ...[0, 0.5, 1].map((part) => element("span", {}, clock(Math.round(part * whole))))));
    return [grid, element("details", {}, element("summary", {}, "The timeline in words"), element("ul", { className: "said" }, ...told.map((line) => element("li", {}, line))))];
  }

  const visible = () => [...at("list").tHead.querySelectorAll("th")].filter((head) => head.offsetParent !== null).length;
  addEventListener("resize", () => { const cell = at("list").querySelector("tr.track > td"); if (cell) cell.colSpan = visible(); });

  async function toggle(i) {
    const before = at("list").querySelector("tr.track");
    before?.previousElementSibling.querySelector(".pick").setAttribute("aria-expanded", "false");
    before?.remove();
    state.open = state.open === i ? null : i;
    if (state.open === null) return;
    const segments = await timeline(i);
    if (state.open !== i) return;
    const row = at("list").querySelector(`tr[data-row="${i}"]`);
    const href = hrefOf(i), second = data.second[i];
    const rest = Math.max(0, 1000 - data.sure[i] - (second < 0 ? 0 : data.next[i]));
    const cell = element("td", { colSpan: visible() },
      element("p", { className: "name" }, element("bdi", {}, data.track[i])),
      element("p", { className: "small" }, href ? element("a", { href, className: "uri" }, uriOf(i)) : element("code", { className: "uri" }, uriOf(i))),
      element("p", {}, `${genres[data.best[i]]} ${Math.round(data.sure[i] / 10)}%`, second < 0 ? "" : `, ${genres[second]} ${Math.round(data.next[i] / 10)}%, all others ${Math.round(rest / 10)}%`,
        ` · ${clock(data.seconds[i])} long · labelled ${data.days[data.day[i] ?? 0]}${data.was[i] === undefined ? "" : ` · was ${genres[data.was[i]]}`}`),
      ...(segments.length ? lanes(i, segments) : [element("p", { className: "small" }, lines.left[i] ? LEFT_OUT : NONE)]));
    row.after(element("tr", { className: "track" }, cell));
    row.querySelector(".pick").setAttribute("aria-expanded", "true");
  }

  // What can be operated appears when it works.
  const used = new Set(data.genre);
  for (const g of [...genres.keys()].sort((a, b) => ranks[a] - ranks[b])) if (used.has(g)) at("genre").append(element("option", { value: String(g) }, genres[g]));
  const sortBy = (key, down) => { Object.assign(state, { key, down }); at("order").value = (down ? "-" : "") + key; choose(); };
  for (const head of at("list").tHead.querySelectorAll("th")) {
    const sorter = element("button", { type: "button" }, head.textContent);
    sorter.addEventListener("click", () => sortBy(head.dataset.key, state.key === head.dataset.key && !state.down));
    head.replaceChildren(sorter);
  }
  let waiting = 0;
  at("words").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(choose, 120); });
  at("genre").addEventListener("change", choose);
  at("show").addEventListener("change", choose);
  at("order").addEventListener("change", () => { const order = at("order").value; sortBy(order.replace("-", ""), order.startsWith("-")); });
  at("search").addEventListener("submit", (event) => { event.preventDefault(); choose(); });
  const turn = (by) => { state.page += by; state.open = null; draw(); at("labels").scrollIntoView(); };
  at("back").addEventListener("click", () => turn(-1));
  at("on").addEventListener("click", () => turn(1));
  choose();
  at("search").hidden = false;
  document.querySelector(".pages").hidden = false;
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
})();
