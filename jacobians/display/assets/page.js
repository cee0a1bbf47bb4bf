"use strict";
// Says what lies under the pointer, or under the cell that the arrow keys have come to.

function reader(map) {
  const data = JSON.parse(document.getElementById(map.dataset.facts).textContent);
  const output = document.getElementById(map.dataset.output);
  const svg = map.querySelector("svg");
  const cursor = document.createElementNS(svg.namespaceURI, "rect");
  cursor.setAttribute("class", "cursor");
  cursor.setAttribute("visibility", "hidden");
  svg.append(cursor);

  const values = new Map(); // cell number to value; what is not here the structure rules out
  let next = 0;
  for (let n = 0; n < data.runs.length; n += 3) {
    const [row, column, length] = data.runs.slice(n, n + 3);
    for (let c = column; c < column + length; c++) {
      values.set(row * data.shape[1] + c, data.values[next++]);
    }
  }

  const start = (index, direction) =>
    index * data.size[direction] + Math.floor(index / Math.max(data.block[direction], 1)) * data.gaps[direction];

  // The cell at a place along one direction, in the drawing's units; in a gap the one before it.
  const cellAt = (place, direction) => {
    const block = Math.max(data.block[direction], 1);
    const pitch = block * data.size[direction] + data.gaps[direction];
    const number = Math.floor(place / pitch);
    const inside = Math.min(block - 1, Math.floor((place - number * pitch) / data.size[direction]));
    return Math.max(0, Math.min(data.shape[direction] - 1, number * block + inside));
  };

  // The letters and indices of a row or column; an axis is its size, or where its groups begin and end.
  const places = (axes, cell) => {
    const found = [];
    for (const [letter, edges] of [...axes].reverse()) {
      const grouped = Array.isArray(edges);
      const groups = grouped ? edges.length - 1 : edges;
      const place = cell % groups;
      cell = Math.floor(cell / groups);
      const [first, last] = grouped ? [edges[place], edges[place + 1] - 1] : [place, place];
      if (!grouped || groups > 1) { // else all its indices share the cell
        found.unshift([letter, first === last ? String(first) : `${first}…${last}`]);
      }
    }
    return found;
  };

  const said = (value) =>
    typeof value === "number"
      ? String(Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-4)
          ? value.toExponential(6) : Number(value.toPrecision(9))).replace(/-/g, "−")
      : value.replace("-", "−");

  const element = (name, text) => {
    const made = document.createElement(name);
    made.textContent = text;
    return made;
  };

  const derivative = (at) => {
    const indices = (letters) => {
      const numbers = letters.map((letter) => at.get(letter));
      return numbers.join(numbers.some((text) => text.length > 1) ? "," : "");
    };
    const letters = [...at.keys()].sort((a, b) => data.letters.indexOf(a) - data.letters.indexOf(b));
    const out = letters.filter((letter) => data.out.includes(letter));
    const inner = letters.filter((letter) => !data.out.includes(letter));
    return ["∂" + data.names[0], element("sub", indices(out)), "/∂" + data.names[1], element("sub", indices(inner))];
  };

  let row = 0;
  let column = 0;
  const show = (newRow, newColumn) => {
    row = Math.max(0, Math.min(data.shape[0] - 1, newRow));
    column = Math.max(0, Math.min(data.shape[1] - 1, newColumn));
    cursor.setAttribute("x", start(column, 1));
    cursor.setAttribute("y", start(row, 0));
    cursor.setAttribute("width", data.size[1]);
    cursor.setAttribute("height", data.size[0]);
    cursor.setAttribute("visibility", "visible");
    const at = new Map([...places(data.rows, row), ...places(data.columns, column)]);
    const value = values.get(row * data.shape[1] + column);
    const line = element("b", "");
    const lead = data.exact ? derivative(at) : ["‖", ...derivative(at), "‖"];
    line.append(...lead, " = ", value === undefined ? "0" : said(value));
    const order = [...data.letters].filter((letter) => at.has(letter));
    const where = order.map((letter) => `${letter} = ${at.get(letter)}`).join(", ");
    const why = value === undefined ? "zero by structure" : value === 0 ? "can be nonzero, is 0 here" : "";
    output.replaceChildren(line, element("small", [where, why].filter(Boolean).join(" · ")));
  };

  const point = (event) => {
    const box = svg.getBoundingClientRect();
    const view = svg.viewBox.baseVal;
    show(
      cellAt(((event.clientY - box.top) / box.height) * view.height, 0),
      cellAt(((event.clientX - box.left) / box.width) * view.width, 1),
    );
  };
  svg.addEventListener("pointermove", point);
  svg.addEventListener("pointerdown", point);
  map.addEventListener("focus", () => show(row, column));
  map.addEventListener("keydown", (event) => {
    const down = event.shiftKey ? Math.max(data.block[0], 1) : 1;
    const across = event.shiftKey ? Math.max(data.block[1], 1) : 1;
    const moves = {
      ArrowUp: [row - down, column],
      ArrowDown: [row + down, column],
      ArrowLeft: [row, column - across],
      ArrowRight: [row, column + across],
      Home: [row, 0],
      End: [row, data.shape[1] - 1],
      PageUp: [row - 10, column],
      PageDown: [row + 10, column],
    };
    if (moves[event.key] && !event.ctrlKey && !event.altKey && !event.metaKey) {
      event.preventDefault();
      show(...moves[event.key]);
    }
  });
}

document.querySelectorAll("[data-facts]").forEach(reader);
