"use strict";
// Filters, sorts and unfolds what is on the page. It makes no element, and puts no text of the data into one.
(() => {
  const element = (id) => document.getElementById(id);
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const data = JSON.parse(element("data").textContent);
  const known = data.clusters.flatMap((cluster) => cluster.nodes.map((node) => ({ cluster: cluster.cluster, ...node })));
  const cards = all(".card");
  const search = element("search"), chosen = element("cluster"), sort = element("sort"), oneScale = element("one-scale");
  const mark = (explained) => (explained === null ? "unknown" : explained ? "explained" : "unexplained");
  const words = (node) => [node.instance_id, node.node_name, node.cluster, node.verdict, node.cause,
    ...(node.evidence?.devices ?? []).flatMap((device) => [device.device, device.pod])].join("\n").toLowerCase();

  const sections = all(".cluster").map((section) => ({
    section, name: section.querySelector("h2").textContent.toLowerCase(), groups: all(".group", section).map((group) => ({
      group, list: group.querySelector(".nodes"), nodes: all(".node", group).map((item) => {
        const node = known[item.dataset.n];
        return { item, node, mark: mark(node.explained), words: words(node), shown: true };
      }) })) }));
  const nodes = sections.flatMap(({ groups }) => groups.flatMap((group) => group.nodes));

  const filter = () => {
    const marks = new Set(cards.filter((card) => card.ariaPressed === "true").map((card) => card.dataset.mark));
    const typed = search.value.trim().toLowerCase().split(/\s+/);
    let count = 0;
    for (const { section, name, groups } of sections) {
      const here = !chosen?.value || chosen.value === section.id;
      let inSection = 0;
      for (const { group, nodes: own } of groups) {
        let inGroup = 0;
        for (const one of own) {
          const shown = here && (!marks.size || marks.has(one.mark)) && typed.every((word) => one.words.includes(word));
          if (shown !== one.shown) one.item.hidden = !(one.shown = shown);
          inGroup += shown;
        }
        group.hidden = !inGroup;
        if (search.value && inGroup && inGroup <= 50) group.open = true;
        inSection += inGroup;
      }
      // Of a cluster that could not be judged nothing is known, and no node is listed.
      const fits = (!marks.size || marks.has("unknown")) && typed.every((word) => name.includes(word));
      section.hidden = !here || (groups.length ? !inSection : !fits);
      count += inSection;
    }
    element("shown").value = `${count.toLocaleString("en")} of ${nodes.length.toLocaleString("en")} listed nodes`;
    element("nothing").hidden = count > 0 || nodes.length === 0;
  };

  const compare = (key) => (one, other) => {
    const [a, b] = [one.node[key], other.node[key]];
    if (a === b) return one.item.dataset.n - other.item.dataset.n;
    if (a === null || b === null) return a === null ? 1 : -1;
    return typeof a === "number" ? b - a : a < b ? -1 : 1;
  };
  const sortNodes = () => {
    const order = sort.value ? compare(sort.value) : (one, other) => one.item.dataset.n - other.item.dataset.n;
    for (const { list, nodes: own } of sections.flatMap(({ groups }) => groups)) {
      if (own.length > 1) list.append(...own.sort(order).map(({ item }) => item));
    }
  };

  const scale = () => {
    const bars = all("[data-longest]");
    const longest = bars.reduce((most, bar) => Math.max(most, bar.dataset.longest), 0);
    for (const bar of bars) bar.style.width = oneScale.checked ? `${(100 * bar.dataset.longest) / longest}%` : "";
  };

  const clear = () => {
    search.value = "";
    if (chosen) chosen.value = "";
    for (const card of cards) card.ariaPressed = "false";
    filter();
  };

  const step = (by) => {
    const shown = all(".group[open]:not([hidden]) .node:not([hidden]) > summary").filter((each) => each.offsetParent);
    const at = shown.indexOf(document.activeElement);
    shown[Math.min(shown.length - 1, Math.max(0, at + by))]?.focus();
  };

  for (const card of cards) {
    card.addEventListener("click", () => {
      card.ariaPressed = String(card.ariaPressed !== "true");
      filter();
    });
  }
  search.addEventListener("input", filter);
  chosen?.addEventListener("change", filter);
  sort.addEventListener("change", sortNodes);
  oneScale.addEventListener("change", scale);
  element("clear").addEventListener("click", clear);
  element("tools").addEventListener("submit", (event) => event.preventDefault());
  element("unfold").addEventListener("click", () => {
    const shown = nodes.filter((one) => one.shown && one.item.parentElement.parentElement.open).slice(0, 50);
    const open = shown.some(({ item }) => !item.open);
    for (const { item } of shown) item.open = open;
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") return clear();
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    if (event.key === "/") { event.preventDefault(); search.focus(); }
    if (event.key === "j") step(1);
    if (event.key === "k") step(-1);
  });
  // A browser keeps what was typed when a page is loaded again.
  filter();
})();
