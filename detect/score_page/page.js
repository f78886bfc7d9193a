"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";

  /** An element of this page: every text goes in as text, never as markup. */
  function make(tag, attributes = {}, ...children) {
    return fill(document.createElement(tag), attributes, children);
  }

  function draw(tag, attributes = {}, ...children) {
    return fill(document.createElementNS(SVG, tag), attributes, children);
  }

  function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== false) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }

  const amount = (number) => number.toLocaleString("en-US");
  const share = (value, digits = 3) => (value === null ? "–" : value.toFixed(digits));
  /** A score, which can be of any size. */
  const rounded = (value) => {
    const size = Math.abs(value);
    return size === 0 || (size >= 0.001 && size < 1000) ? value.toPrecision(3) : Number(value.toPrecision(4)).toString();
  };

  // ---- The table of classes: sorting and filtering -------------------------------------------------------------

  const table = byId("table");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const headings = [...table.tHead.rows[0].cells];
  const names = new Intl.Collator("en", { numeric: true });

  function sortBy(heading, direction) {
    const column = headings.indexOf(heading);
    const sign = direction === "ascending" ? 1 : -1;
    const textual = heading.firstElementChild.dataset.key === "name";
    rows.sort((a, b) => {
      const [left, right] = [a, b].map((row) => row.cells[column].dataset.value);
      if (textual) return sign * names.compare(left, right);
      if (left === "" || right === "") return (left === "") - (right === ""); // nothing to compare: last, either way
      return sign * (Number(left) - Number(right)) || a.dataset.label - b.dataset.label;
    });
    for (const one of headings) one.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", direction);
    body.append(...rows);
  }

  for (const heading of headings) {
    const button = heading.firstElementChild;
    button.addEventListener("click", () => {
      const now = heading.getAttribute("aria-sort");
      const other = now === "ascending" ? "descending" : "ascending";
      sortBy(heading, now ? other : button.dataset.first);
    });
  }

  const RANGES = {
    all: () => true,
    scored: (ap) => ap !== null,
    high: (ap) => ap !== null && ap >= 0.5,
    low: (ap) => ap !== null && ap < 0.5,
    lowest: (ap) => ap !== null && ap < 0.1,
    none: (ap) => ap === null,
  };

  function filter() {
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const within = RANGES[byId("range").value];
    let shown = 0;
    for (const row of rows) {
      const one = data.classes[row.dataset.label];
      const text = `${one.name} ${one.wnid}`.toLowerCase();
      row.hidden = !(within(one.ap) && words.every((word) => text.includes(word)));
      shown += !row.hidden;
    }
    const all = rows.length;
    byId("count").textContent = shown === all ? `${amount(all)} classes` : `${amount(shown)} of ${amount(all)} classes`;
    byId("nothing").hidden = shown > 0;
  }

  byId("search").addEventListener("input", filter);
  byId("range").addEventListener("input", filter);
  filter(); // the browser may have kept what was typed before a reload

  // ---- The sheet of one class ----------------------------------------------------------------------------------

  const sheet = byId("sheet");
  let shownLabel = null;

  /** Classes in the order of the table, as far as it shows them. */
  const listed = () => rows.filter((row) => !row.hidden).map((row) => Number(row.dataset.label));

  function open(label) {
    const one = data.classes[label];
    shownLabel = label;
    byId("sheet-name").textContent = one.name;
    byId("sheet-facts").replaceChildren(...facts(one));
    byId("sheet-chart").replaceChildren(...chart(one), ...confusions(one));
    byId("sheet-why").replaceChildren(...why(one));
    byId("sheet-examples").replaceChildren(...examples(one));
    const order = listed();
    const place = order.indexOf(label);
    byId("place").textContent = place < 0 ? "" : `${place + 1} of ${order.length}`;
    byId("previous").disabled = place <= 0;
    byId("next").disabled = place < 0 || place === order.length - 1;
    if (!sheet.open) sheet.showModal();
    document.querySelector(".sheet-body").scrollTop = 0;
    byId("sheet-name").focus();
  }

  /** The address decides which class is open, so that Back closes it and a link to a class can be passed on. */
  function follow() {
    const match = /^#c(\d+)$/.exec(location.hash);
    if (match && Number(match[1]) < data.classes.length) open(Number(match[1]));
    else if (sheet.open) sheet.close();
  }

  function step(by) {
    const order = listed();
    const label = order[order.indexOf(shownLabel) + by];
    if (label !== undefined) location.replace(`#c${label}`);
  }

  window.addEventListener("hashchange", follow);
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  byId("close").addEventListener("click", () => sheet.close());
  sheet.addEventListener("click", (event) => {
    if (event.target === sheet) sheet.close(); // beside the sheet
  });
  sheet.addEventListener("close", () => {
    const label = shownLabel;
    shownLabel = null;
    if (/^#c\d+$/.test(location.hash)) history.replaceState(null, "", "#");
    body.querySelector(`tr[data-label="${label}"] a`)?.focus();
  });
  sheet.addEventListener("keydown", (event) => {
    if (event.target.matches("input")) return; // the arrows move the slider
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });

  function facts(one) {
    const lines = [
      ["AP", share(one.ap, 4)],
      ["objects", amount(one.objects)],
      ["detections", amount(one.detections)],
      ["found objects", amount(one.hits)],
      ["false positives", amount(one.wrong)],
    ];
    if (one.ignored) lines.push(["count neither way", amount(one.ignored)]);
    if (one.wnid) lines.push(["WordNet id", one.wnid]);
    return lines.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)));
  }

  // ---- Precision and recall ------------------------------------------------------------------------------------

  const WIDE = 440;
  const HIGH = 340;
  const EDGE = { left: 40, right: 12, top: 12, bottom: 38 };
  const xOf = (recall) => EDGE.left + recall * (WIDE - EDGE.left - EDGE.right);
  const yOf = (precision) => HIGH - EDGE.bottom - precision * (HIGH - EDGE.top - EDGE.bottom);
  const path = (points) => points.map(([x, y]) => `${x.toFixed(2)},${y.toFixed(2)}`).join("L");

  function chart(one) {
    const title = make("h3", {}, "Precision and recall");
    if (!one.curve.recall.length) return [title, make("p", { class: "hint" }, emptyCurve(one))];
    const { recall, precision } = one.curve;
    const cursor = draw("circle", { class: "cursor", r: 5 });
    const picture = draw("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": curveInWords(one) });
    picture.append(...axes());
    const points = recall.map((value, i) => [xOf(value), yOf(precision[i])]);
    const steps = envelope(recall, precision);
    const ground = [[steps[steps.length - 1][0], yOf(0)], [xOf(0), yOf(0)]];
    picture.append(
      draw("path", { class: "area", d: `M${path([...steps, ...ground])}Z` }),
      draw("path", { class: "envelope", d: `M${path(steps)}` }),
      draw("path", { class: "line", d: `M${path(points)}` }),
      cursor,
    );
    return [title, picture, slider(one, points, cursor)];
  }

  const emptyCurve = (one) => (one.objects ? "No detections of this class." : "No objects of this class, so no recall.");

  function curveInWords(one) {
    const most = one.curve.recall[one.curve.recall.length - 1];
    const best = one.f1 ? ` Best F1 ${share(one.f1.f1)} at precision ${share(one.f1.precision)}.` : "";
    return `Precision against recall of ${one.name}: AP ${share(one.ap)}, recall reaches ${share(most)}.${best}`;
  }

  function axes() {
    const parts = [];
    for (const value of [0, 0.2, 0.4, 0.6, 0.8, 1]) {
      parts.push(
        draw("line", { class: "grid", x1: xOf(0), x2: xOf(1), y1: yOf(value), y2: yOf(value) }),
        draw("line", { class: "grid", x1: xOf(value), x2: xOf(value), y1: yOf(0), y2: yOf(1) }),
        draw("text", { x: xOf(0) - 6, y: yOf(value) + 4, "text-anchor": "end" }, value.toFixed(1)),
        draw("text", { x: xOf(value), y: yOf(0) + 16, "text-anchor": "middle" }, value.toFixed(1)),
      );
    }
    parts.push(
      draw("text", { x: xOf(0.5), y: HIGH - 6, "text-anchor": "middle" }, "recall"),
      draw("text", { x: 12, y: yOf(0.5), "text-anchor": "middle", transform: `rotate(-90 12 ${yOf(0.5)})` }, "precision"),
    );
    return parts;
  }

  /**
   * "The best precision at this recall or a higher one", whose area is AP, from the right end to recall 0: it follows
   * the curve where that falls, and stays level where the curve lies below what comes later.
   */
  function envelope(recall, precision) {
    const last = recall.length - 1;
    const corners = [[recall[last], precision[last]]];
    let best = precision[last];
    for (let i = last - 1; i >= 0; i -= 1) {
      if (precision[i] <= best) continue;
      const share = (best - precision[i + 1]) / (precision[i] - precision[i + 1]);
      corners.push([recall[i + 1] + share * (recall[i] - recall[i + 1]), best], [recall[i], precision[i]]);
      best = precision[i];
    }
    corners.push([0, best]);
    return corners.reverse().map(([r, p]) => [xOf(r), yOf(p)]);
  }

  /** A threshold to move along the curve, by mouse, finger or arrow keys. */
  function slider(one, points, cursor) {
    const { recall, precision, score } = one.curve;
    const output = make("output");
    const input = make("input", { type: "range", min: 0, max: points.length - 1, step: 1 });
    const move = () => {
      const at = Number(input.value);
      cursor.setAttribute("cx", points[at][0]);
      cursor.setAttribute("cy", points[at][1]);
      const threshold = score ? `score ${rounded(score[at])} and better: ` : "";
      output.textContent = `${threshold}precision ${share(precision[at])}, recall ${share(recall[at])}`;
      input.setAttribute("aria-valuetext", output.textContent);
    };
    input.value = one.f1 ? nearest(one.f1, recall, precision) : points.length - 1;
    input.addEventListener("input", move);
    move();
    const best = one.f1
      ? make("p", { class: "hint" }, `Best F1 ${share(one.f1.f1)}: precision ${share(one.f1.precision)}, ` +
          `recall ${share(one.f1.recall)}${one.f1.score === null ? "" : `, at score ${rounded(one.f1.score)}`}.`)
      : "";
    return make("div", {}, make("label", {}, "Threshold on the score", input, output), best);
  }

  function nearest(f1, recall, precision) {
    const distances = recall.map((value, i) => Math.hypot(value - f1.recall, precision[i] - f1.precision));
    return distances.indexOf(Math.min(...distances));
  }

  // ---- Errors, sizes, confusions -------------------------------------------------------------------------------

  function why(one) {
    const parts = one.errors.length ? [make("h3", {}, "Where it is lost"), errorTable(one)] : [];
    if (one.sizes.length) parts.push(make("h3", {}, "By size of the object"), sizeTable(one));
    if (one.coverage !== null) {
      parts.push(make("p", {}, `Proposals cover ${share(one.coverage)} of its objects.`));
    }
    return parts;
  }

  function confusions(one) {
    const parts = [];
    if (one.confused.length) parts.push(make("h3", {}, "Really there, under boxes of this class"), links(one.confused));
    if (one.taken.length) parts.push(make("h3", {}, "Its objects are taken for"), links(one.taken));
    return parts;
  }

  function bar(value, most, kind) {
    if (value === null) return "";
    const width = most ? (100 * Math.max(value, 0)) / most : 0;
    return draw("svg", { class: `bar ${kind}`, viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
      draw("rect", { class: "ground", width: 100, height: 6 }), draw("rect", { class: "value", width, height: 6 }));
  }

  function tableOf(columns, lines) {
    const head = columns.map((name, i) => make("th", { scope: "col", class: i ? "number" : null }, name));
    const bodyRows = lines.map(([name, picture, ...numbers]) =>
      make("tr", {}, make("th", { scope: "row" }, name, picture), ...numbers.map((n) => make("td", { class: "number" }, n))));
    return make("table", { class: "bars" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...bodyRows));
  }

  function errorTable(one) {
    const most = Math.max(0.1, ...one.errors.map(([, cost]) => cost ?? 0));
    return tableOf(["type of error", "how often", "AP lost"], one.errors.map(([count, cost], i) =>
      [data.errors[i], bar(cost, most, "loss"), amount(count), share(cost)]));
  }

  function sizeTable(one) {
    return tableOf(["size", "objects", "AP"], one.sizes.map(([count, ap], i) =>
      [data.sizes[i], bar(ap, 1, ""), amount(count), share(ap)]));
  }

  function links(pairs) {
    const parts = pairs.flatMap(([label, count], i) => [
      i ? ", " : "", make("a", { class: "name", href: `#c${label}` }, data.classes[label].name), ` ${amount(count)}×`]);
    return make("p", {}, ...parts);
  }

  // ---- Examples ------------------------------------------------------------------------------------------------

  const GROUPS = [
    ["hit", "Best hits", "No hits."],
    ["wrong", "Worst false positives", "No false positives."],
    ["missed", "Misses", "Nothing missed."],
  ];

  function examples(one) {
    const legend = make("p", { class: "hint" },
      key("found", "detection, right"), key("false", "detection, wrong"), key("truth", "object"));
    return [legend, ...GROUPS.map(([kind, title, none]) => {
      const cards = one.examples[kind].map((card) => make("li", {}, figure(one, kind, card)));
      const content = cards.length
        ? make("ul", { class: "gallery" }, ...cards)
        : make("p", { class: "hint" }, one.counts[kind] ? "None on the pictures at hand." : none);
      return make("section", { class: `examples ${kind}` }, make("h3", {}, title), about(one, kind, cards.length), content);
    })];
  }

  function about(one, kind, shown) {
    if (!shown) return "";
    const order = kind === "missed" ? "largest first" : "best scores first";
    const all = one.counts[kind];
    const which = shown === all ? order : `${shown} of ${amount(all)}, ${order}, one an image`;
    return make("p", { class: "hint" }, `${which[0].toUpperCase()}${which.slice(1)}.`);
  }

  function key(kind, text) {
    return make("span", { class: "key" },
      draw("svg", { viewBox: "0 0 28 14", "aria-hidden": "true" }, draw("rect", { class: kind, x: 3, y: 3, width: 22, height: 8 })), text);
  }

  function figure(one, kind, card) {
    const lines = caption(one, kind, card);
    const words = `${lines.join(", ")} (${card.name})`;
    const [x, y, width, height] = card.frame;
    const overlay = draw("svg", { viewBox: `${x} ${y} ${width} ${height}`, preserveAspectRatio: "none" });
    if (card.object) overlay.append(...outline(card.object, card.frame, "truth"));
    if (card.detection) overlay.append(...outline(card.detection, card.frame, card.right ? "found" : "false"));
    const shot = make("div", { class: "shot" });
    if (card.picture) {
      overlay.setAttribute("aria-hidden", "true");
      shot.append(make("img", { src: card.picture, width, height, alt: words }), overlay);
    } else {
      shot.classList.add("plain");
      overlay.setAttribute("role", "img");
      overlay.setAttribute("aria-label", `Boxes without a picture: ${words}`);
      shot.append(overlay);
    }
    const text = make("figcaption", {}, make("strong", {}, lines[0]), lines.length > 1 ? ` ${lines.slice(1).join(", ")}` : "",
      make("span", { class: "file name" }, card.name));
    return make("figure", {}, shot, text);
  }

  /** A box, pulled so far into the frame that its line is seen whole. */
  function outline([x1, y1, x2, y2], [left, top, wide, high], kind) {
    const pad = Math.max(wide, high) * 0.008;
    const [x, right] = [Math.max(Math.min(x1, x2), left + pad), Math.min(Math.max(x1, x2), left + wide - pad)];
    const [y, bottom] = [Math.max(Math.min(y1, y2), top + pad), Math.min(Math.max(y1, y2), top + high - pad)];
    const place = { x, y, width: Math.max(right - x, 0), height: Math.max(bottom - y, 0) };
    return [draw("rect", { class: "under", ...place }), draw("rect", { class: kind, ...place })];
  }

  /** First the one thing to know, then the rest. */
  function caption(one, kind, card) {
    const overlap = card.object && card.detection ? `IoU ${share(card.overlap, 2)}` : null;
    if (kind === "missed") {
      const close = card.detection ? `nearest ${rounded(card.score)}, ${overlap}` : "no detection near";
      return [`${Math.round(card.size[0])} × ${Math.round(card.size[1])} pixels`, close];
    }
    const score = rounded(card.score);
    if (kind === "hit") return [score, overlap].filter(Boolean);
    const there = card.label === null ? null : data.classes[card.label].name;
    const type = card.error === null ? null : data.errors[card.error];
    const really = there === null ? "nothing annotated there" : there === one.name ? overlap : `really there: ${there}, ${overlap}`;
    return [score, type, really].filter(Boolean);
  }

  follow();
})();
