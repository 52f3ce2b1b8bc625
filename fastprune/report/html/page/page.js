"use strict";
(() => {
  const sweep = JSON.parse(document.getElementById("sweep").textContent);
  const find = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const slider = find("#slider"), number = find("#number");
  const buttons = [["toImage", "zoom2d", "pan2d", "resetScale2d"]];
  // On a touch screen a drag over a plot scrolls the page, as everywhere else.
  const touch = matchMedia("(pointer: coarse), (max-width: 640px)").matches;
  const config = { responsive: true, displaylogo: false, modeBarButtons: buttons, displayModeBar: touch ? false : "hover" };
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const hidden = new Set();  // places of sets that the reader took off the curves
  let step = sweep.start, revision = 0, printing = false;

  // Results of fewer channels than the largest are shown at the same share.
  const at = (set) => set?.n_channels === undefined ? step
    : Math.floor(step * set.n_channels / (sweep.n_channels || 1) + 1e-9);
  const toX = (place) => sweep.shares ? 100 * place / sweep.n_channels : place;
  const fromX = (x) => sweep.shares ? Math.ceil(x * sweep.n_channels / 100 - 1e-6) : x;

  const isDark = () => !printing
    && (document.documentElement.dataset.theme ?? (prefersDark.matches ? "dark" : "light")) === "dark";
  const colour = (set) => sweep.sets[set].colour[isDark() ? "dark" : "light"];
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Plots: plotly gets copies, for it writes into what it is given.
  const drawn = {};
  for (const [name, chart] of Object.entries(sweep.charts)) {
    drawn[name] = { div: find(`#${name}`), data: structuredClone(chart.data), layout: structuredClone(chart.layout) };
  }

  function dress({ data, layout }) {
    layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
    layout.font.color = css("--ink");
    layout.dragmode = touch ? false : "zoom";
    layout.hoverlabel = { bgcolor: css("--panel"), bordercolor: css("--line"), font: { color: css("--ink") } };
    layout.modebar = { color: css("--faint"), activecolor: css("--accent"), bgcolor: "rgba(0,0,0,0)" };
    for (const name of Object.keys(layout).filter((key) => /^[xy]axis/.test(key))) {
      Object.assign(layout[name], { gridcolor: css("--grid"), linecolor: css("--line"), showgrid: true });
    }
    for (const trace of data) {
      const group = /^set(\d+)$/.exec(trace.legendgroup ?? "");
      const tint = group ? colour(Number(group[1])) : css("--faint");
      if (trace.line) trace.line.color = tint;
      if (trace.marker) trace.marker.color = tint;
      if (group && trace.marker?.line && !trace.marker.symbol.endsWith("-open")) {
        trace.marker.color = css("--paper");  // a mark shows on a line of its own colour
        trace.marker.line.color = tint;
      }
      trace.visible = !(group && hidden.has(Number(group[1])));
    }
  }

  // Labels of crossings that would touch stand in rows above each other.
  function crossings(div) {
    const inches = Math.max(div.clientWidth - 68, 100) / (sweep.n_channels || 1), ends = [];
    return sweep.crossings.map(({ step: at, label }) => {
      const middle = at * inches, half = 3.6 * label.length + 4;
      let row = ends.findIndex((end) => end <= middle - half);
      if (row < 0) row = ends.length;
      ends[row] = middle + half;
      return { at, label, row };
    });
  }

  const upright = (x, look) => ({ type: "line", x0: x, x1: x, xref: "x", y0: 0, y1: 1, yref: "paper", line: look });

  function markCurves() {
    const { div, layout } = drawn.curves, marks = crossings(div);
    const rows = Math.max(0, ...marks.map((mark) => mark.row + 1));
    layout.shapes = [
      ...marks.map((mark) => upright(mark.at, { color: css("--faint"), width: 1, dash: "dot" })),
      upright(toX(step), { color: css("--accent"), width: 2 }),
    ];
    const headings = layout.annotations.filter((note) => note.name === "heading");
    const shares = layout.annotations.filter((note) => note.name === "share");
    const up = shares.length ? 16 : 0;
    headings[0].yshift = 16 * rows + up + 2;
    layout.annotations = [
      ...headings.map((note) => ({ ...note, font: { color: css("--ink"), size: 13 } })), ...shares,
      ...marks.map(({ at: place, label, row }) => ({
        x: place, y: 1, xref: "x", yref: "paper", yanchor: "bottom", yshift: 16 * row + up, showarrow: false,
        text: label, font: { size: 11, color: css("--faint") }, name: "crossing",
      })),
    ];
    layout.margin.t = 30 + 16 * rows + up;
  }

  function markLayers() {
    if (!drawn.layers) return;
    const share = 100 * step / (sweep.n_channels || 1);
    drawn.layers.layout.shapes = [upright(share, { color: css("--accent"), width: 2 })];
  }

  function markRoc() {
    if (!drawn.roc) return;
    const here = drawn.roc.data.filter((trace) => trace.name === "here");
    here.forEach((trace, pair) => {
      const now = at(sweep.sets[sweep.roc[pair].set]);
      trace.x = [sweep.roc[pair].fpr[now]];
      trace.y = [sweep.roc[pair].tpr[now]];
    });
  }

  function markBars() {
    if (!drawn.bars) return;
    const [trace] = drawn.bars.data, places = sweep.channels.map((_, index) => index + 1);
    trace.marker = {
      color: places.map((removed) => css(removed <= step ? "--pale" : "--bar")),
      line: { color: css("--accent"), width: places.map((removed) => (removed === step ? 2 : 0)) },
    };
  }

  function markClasses() {
    if (!drawn.histogram) return;
    const found = sweep.classes[Number(find("#pick")?.value ?? 0)], [trace] = drawn.histogram.data;
    const bins = found.bins[step], wide = 100 / bins.length;
    trace.x = bins.map((_, bin) => (bin + 0.5) * wide);
    trace.y = bins;
    trace.width = bins.map(() => 0.92 * wide);
    trace.customdata = bins.map((_, bin) => `${bin * wide}–${(bin + 1) * wide}%`);
    trace.marker = { color: colour(found.set) };
    const few = found.worst[step].length;
    find("#known").textContent = few < found.known
      ? `the ${few} worst of ${found.known.toLocaleString("en")} classes that have images`
      : `${few} classes that have images, the worst first`;
    find("#classes tbody").replaceChildren(...found.worst[step].map((cells) => {
      const row = document.createElement("tr");
      cells.forEach((cell, place) => {
        const box = document.createElement(place ? "td" : "th");
        box.textContent = cell;
        row.append(box);
      });
      return row;
    }));
  }

  function redraw(names) {
    for (const name of names) {
      const chart = drawn[name];
      if (!chart) continue;
      // A zoom of the reader's stays.
      for (const axis of ["xaxis", "yaxis"]) {
        const now = chart.div.layout?.[axis]?.range;
        if (now && name !== "histogram") chart.layout[axis].range = [...now];
      }
      chart.layout.datarevision = revision += 1;
      Plotly.react(chart.div, chart.data, chart.layout, config);
    }
  }

  function tables() {
    for (const cell of all("td[data-figure]")) {
      const set = sweep.sets[Number(cell.dataset.set)], name = cell.dataset.figure;
      if (name === "near_ties") {
        find("b", cell).textContent = set.near_ties[step];
        continue;
      }
      const now = at(set);
      find("b", cell).textContent = set.figures[name].share[now];
      if (name !== "n_pruned") find("small", cell).textContent = set.figures[name].bounds[now];
    }
  }

  function samples() {
    for (const figure of all("figure[data-sample]")) {
      const set = sweep.sets[Number(figure.dataset.set)], image = Number(figure.dataset.sample);
      const verdict = set.verdicts[step][image];
      const flagged = "fd".includes(verdict), [badnet, repaired] = [set.classes[0][image], set.classes[step][image]];
      figure.className = "rdt".includes(verdict) ? "good" : verdict === "o" ? "" : "bad";
      find(".verdict", figure).textContent = sweep.verdicts[verdict];
      find(".label", figure).textContent = set.truth
        ? `label ${set.labels[image]}, truly ${set.truth[image]}` : `label ${set.labels[image]}`;
      const said = [`B ${badnet}`, `B′ ${repaired}`, `G ${flagged ? sweep.n_classes : badnet}`];
      all("i", find(".said", figure)).forEach((place, index) => { place.textContent = said[index]; });
    }
  }

  function show(wanted) {
    const asked = Math.round(Number(wanted));
    step = Number.isFinite(asked) ? Math.min(Math.max(asked, 0), sweep.n_channels) : step;
    slider.value = number.value = step;
    const label = sweep.crossings.find((mark) => mark.step === step)?.label;
    const removed = step === 0 ? "no channel removed: B" : !sweep.channels
      ? (sweep.shares ? `${toX(step).toFixed(1)}% of the channels removed` : `${step} channels removed`)
      : `channel ${sweep.channels[step - 1]} removed, mean activation ${sweep.activations[step - 1]}`;
    find("#removed").textContent = label ? `${removed}; ${label} crossed` : removed;
    slider.setAttribute("aria-valuetext", `${step} of ${sweep.n_channels} channels pruned; ${removed}`);
    all("[data-step]").forEach((button) => button.setAttribute("aria-current", Number(button.dataset.step) === step));
    tables();
    samples();
    markCurves();
    markLayers();
    markRoc();
    markBars();
    markClasses();
    redraw(Object.keys(drawn));
    document.documentElement.dataset.step = step;
  }

  function theme() {
    Object.values(drawn).forEach(dress);
    all("line[data-set]").forEach((line) => { line.style.stroke = colour(Number(line.dataset.set)); });
    all(".dot").forEach((dot) => { dot.style.background = colour(Number(dot.dataset.set)); });
    show(step);
  }

  for (const { step: at, label } of [{ step: 0, label: "B" }, ...sweep.crossings]) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: label });
    button.dataset.step = at;
    find("#jumps").append(button);
  }
  all("[data-step]").forEach((button) => button.addEventListener("click", () => show(button.dataset.step)));
  slider.addEventListener("input", () => show(slider.value));
  number.addEventListener("change", () => show(number.value === "" ? step : number.value));
  find("#pick")?.addEventListener("change", () => show(step));
  all("button[data-toggle]").forEach((button) => button.addEventListener("click", () => {
    const set = Number(button.dataset.toggle);
    if (!hidden.delete(set)) hidden.add(set);
    all(`button[data-toggle="${set}"]`).forEach((twin) => twin.setAttribute("aria-pressed", !hidden.has(set)));
    theme();
  }));
  find("#theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    theme();
  });
  prefersDark.addEventListener("change", theme);
  addEventListener("resize", () => { markCurves(); redraw(["curves"]); });
  addEventListener("beforeprint", () => {
    printing = true;
    document.documentElement.dataset.screen = document.documentElement.dataset.theme ?? "";
    document.documentElement.dataset.theme = "light";
    theme();
  });
  addEventListener("afterprint", () => {
    printing = false;
    const before = document.documentElement.dataset.screen;
    if (before) document.documentElement.dataset.theme = before;
    else delete document.documentElement.dataset.theme;
    theme();
  });

  theme();
  drawn.curves.div.on("plotly_click", (event) => show(fromX(event.points[0].x)));
})();
