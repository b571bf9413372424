// The desk's keys, tabs and drawing. Everything but the drawing works without this script.
(() => {
  "use strict";
  const typing = (target) => target.closest("input, select, textarea, [contenteditable]") !== null;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Tabs of a ring.
  const tabs = [...document.querySelectorAll('[role="tab"]')];
  const open = (tab) => {
    for (const one of tabs) {
      one.setAttribute("aria-selected", String(one === tab));
      document.getElementById(one.getAttribute("aria-controls")).hidden = one !== tab;
    }
    if (tab.id === "tab-graph") draw();
  };
  tabs.forEach((tab) => tab.addEventListener("click", () => open(tab)));
  const wanted = tabs.find((tab) => `#${tab.getAttribute("aria-controls")}` === location.hash);
  if (wanted !== undefined && wanted.id !== "tab-graph") open(wanted); // where a note has just been kept

  // The drawing: a canvas, made when its tab is first opened.
  let picture = null;
  const style = () => [
    { selector: "node", style: { label: "data(label)", "font-size": 9, color: colour("--ink"), "background-color": colour("--c2"),
        width: 18, height: 18, "text-valign": "bottom", "text-margin-y": 3, "min-zoomed-font-size": 7 } },
    { selector: 'node[kind = "user"]', style: { "background-color": colour("--member") } },
    { selector: 'node[kind = "item"]', style: { "background-color": colour("--c1"), shape: "round-rectangle" } },
    { selector: 'node[kind = "ring"]', style: { "background-color": colour("--c6"), shape: "diamond", width: 24, height: 24 } },
    { selector: "node[flagged > 0]", style: { "border-width": 3, "border-color": colour("--alarm") } },
    { selector: "node[?weak]", style: { "background-color": colour("--low"), "border-style": "dashed" } },
    { selector: "edge", style: { width: 1, "line-color": colour("--edge"), opacity: 0.5 } },
  ];
  const add = (found) => {
    const elements = [];
    for (const node of found.nodes) {
      if (picture.getElementById(node.id).empty()) {
        const label = node.flagged > 1 && node.kind !== "user" ? `${node.label} (${node.flagged} flagged)` : node.label;
        elements.push({ group: "nodes", data: { ...node, label } });
      }
    }
    const known = new Set([...elements.map((one) => one.data.id), ...picture.nodes().map((one) => one.id())]);
    for (const edge of found.edges) {
      const id = `${edge.source}→${edge.target}`;
      if (known.has(edge.source) && known.has(edge.target) && picture.getElementById(id).empty()) {
        elements.push({ group: "edges", data: { id, ...edge } });
      }
    }
    picture.add(elements);
    picture.layout({ name: "cose", animate: false, randomize: picture.nodes().length === elements.length, nodeRepulsion: 9000, idealEdgeLength: 60 }).run();
    picture.fit(undefined, 20);
  };
  const say = (text) => { document.getElementById("said").textContent = text; };
  const load = async (address) => {
    const answer = await fetch(address, { headers: { accept: "application/json" } });
    if (!answer.ok) { say("That could not be loaded; try again."); return null; }
    return answer.json();
  };
  async function draw() {
    const place = document.getElementById("drawing");
    if (picture !== null || place === null) return;
    picture = cytoscape({ container: place, style: style() });
    const found = await load(place.dataset.from);
    if (found === null) return;
    add(found);
    if (found.left_out > 0) say(`${found.left_out} weaker members are not drawn.`);
    place.dataset.drawn = String(picture.nodes().length);
    picture.on("tap", "node", async (event) => {
      const { kind, name } = event.target.data();
      if (kind === "ring") { location.href = `/desk/rings/${encodeURIComponent(name)}`; return; }
      if (kind !== "user") { say(`${kind} ${name}`); return; }
      const more = await load(`/desk/expand?user=${encodeURIComponent(name)}`);
      if (more === null) return;
      add(more);
      say(`${name}: ${more.said}`);
      place.dataset.drawn = String(picture.nodes().length);
    });
    window.deskPicture = picture; // for whoever tries things in the console
  }

  // Keys.
  const rows = () => [...document.querySelectorAll("table.queue tbody tr")];
  let here = -1;
  const step = (by) => {
    const all = rows();
    if (all.length === 0) return;
    here = Math.min(Math.max(here + by, 0), all.length - 1);
    all.forEach((row, place) => row.classList.toggle("here", place === here));
    all[here].scrollIntoView({ block: "nearest" });
  };
  const follow = (selector) => { const link = document.querySelector(selector); if (link !== null) link.click(); };
  const reason = (kind) => { const first = document.querySelector(`#decide button.${kind}`); if (first !== null) first.focus(); };
  const actions = {
    j: () => step(1),
    k: () => step(-1),
    x: () => { const box = rows()[here]?.querySelector("input"); if (box) box.checked = !box.checked; },
    Enter: () => { const link = rows()[here]?.querySelector("a"); if (link) link.click(); },
    "/": () => document.getElementById("search")?.focus(),
    g: () => reason("guilty"),
    i: () => reason("innocent"),
    u: () => reason("unsure"),
    s: () => follow('#decide button[value="snooze"]'),
    n: () => follow("#next"),
    q: () => { location.href = "/desk/"; },
    1: () => tabs[0] && open(tabs[0]),
    2: () => tabs[1] && open(tabs[1]),
    3: () => tabs[2] && open(tabs[2]),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (event.key === "Enter" && event.target.closest("button, a, summary") !== null) return;
    const action = actions[event.key];
    if (action !== undefined) { event.preventDefault(); action(); }
  });
})();
