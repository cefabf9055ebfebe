// Views as tabs and headers that sort; without this script every view is on the page, in order.
(() => {
  const panels = [...document.querySelectorAll("[data-view-panel]")];
  const list = document.querySelector("[data-view-tabs]");
  const told = document.querySelector("[data-told]");
  const views = panels.map((panel) => panel.dataset.viewPanel);
  const state = { view: views[0], sort: null, order: null };

  const tabs = views.map((view, index) => {
    const panel = panels[index];
    const tab = document.createElement("button");
    tab.type = "button";
    tab.id = `tab-${view}`;
    tab.textContent = panel.dataset.title;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panel.id);
    tab.addEventListener("click", () => change({ view }));
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    list.append(tab);
    return tab;
  });
  list.hidden = views.length < 2;
  list.addEventListener("keydown", (event) => {
    const here = views.indexOf(state.view);
    const last = views.length - 1;
    const steps = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: last };
    if (!(event.key in steps)) return;
    event.preventDefault();
    const next = (steps[event.key] + views.length) % views.length;
    change({ view: views[next] });
    tabs[next].focus();
  });

  const heads = [...document.querySelectorAll("th[data-sort]")];
  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const { sort, first } = head.dataset;
      const again = state.sort === sort && state.order === first;
      const other = first === "ascending" ? "descending" : "ascending";
      change({ sort, order: again ? other : first });
      told.textContent = `Sorted by ${head.dataset.name}, ${state.order}.`;
    });
  }

  function change(part) {
    Object.assign(state, part);
    show();
    const words = [`view=${state.view}`];
    if (state.sort) words.push(`sort=${state.sort}`, `order=${state.order}`);
    history.replaceState(null, "", `#${words.join("&")}`);
  }

  function show() {
    panels.forEach((panel, index) => {
      const shown = panel.dataset.viewPanel === state.view;
      panel.hidden = !shown;
      tabs[index].setAttribute("aria-selected", String(shown));
      tabs[index].tabIndex = shown ? 0 : -1;
    });
    if (!state.sort) return;
    for (const head of heads) {
      if (head.dataset.sort === state.sort) head.setAttribute("aria-sort", state.order);
      else head.removeAttribute("aria-sort");
    }
    document.querySelectorAll("tbody[data-rows]").forEach(sortRows);
  }

  // Numbers by value, names by text, what was not measured last both ways; ties keep their order.
  function sortRows(body) {
    if (!body.querySelector(`[data-key="${state.sort}"]`)) return; // a table of other metrics
    const rows = [...body.querySelectorAll("tr[data-place]")];
    const sign = state.order === "ascending" ? 1 : -1;
    const keyed = rows.map((row) => {
      const cell = row.querySelector(`[data-key="${state.sort}"]`);
      const text = cell.dataset.value;
      const number = Number(text);
      const value = cell.dataset.text === undefined ? number : cell.dataset.text;
      return { row, value, missing: cell.dataset.text === undefined && text === undefined };
    });
    keyed.sort((a, b) => {
      if (a.missing !== b.missing) return a.missing ? 1 : -1;
      if (!a.missing && a.value < b.value) return -sign;
      if (!a.missing && a.value > b.value) return sign;
      return Number(a.row.dataset.place) - Number(b.row.dataset.place);
    });
    body.append(...keyed.map((key) => key.row));
  }

  function restore() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    if (views.includes(wanted.get("view"))) state.view = wanted.get("view");
    const head = heads.find((h) => h.dataset.sort === wanted.get("sort"));
    if (head) {
      state.sort = head.dataset.sort;
      const orders = ["ascending", "descending"];
      state.order = orders.includes(wanted.get("order")) ? wanted.get("order") : head.dataset.first;
    }
    show();
  }
  window.addEventListener("hashchange", restore);
  restore();
})();
