(() => {
  const d = $data;
  const clamp = (value, n) => Math.min(Math.max(value, 0), n - 1);
  const add = (parent, tag, name, text) => {
    const node = parent.appendChild(document.createElement(tag));
    node.className = name;
    node.textContent = text || "";
    return node;
  };

  // Each class has a colour and a shape: polygons, drawn twice as large as shown, for screens with fine pixels.
  const scatter = (plane, wide, high) => {
    const canvas = add(plane, "canvas", "lp-dots");
    canvas.width = 2 * wide;
    canvas.height = 2 * high;
    const pen = canvas.getContext("2d"), shapes = [[24, 0], [4, 0.785], [4, 0], [3, -1.571], [3, 1.571]];
    d.dots.x.forEach((x, i) => {
      const kind = d.dots.kind[i], [corners, turn] = shapes[(kind + Math.floor(kind / 10)) % 5];
      pen.beginPath();
      for (let k = 0; k < corners; k++) {
        const angle = turn + 2 * Math.PI * k / corners;
        pen.lineTo(x * wide / 500 + 6 * Math.cos(angle), d.dots.y[i] * high / 500 + 6 * Math.sin(angle));
      }
      pen.fillStyle = d.dots.colours[kind];
      pen.globalAlpha = 0.75;
      pen.fill();
    });
    pen.globalAlpha = 1;
    pen.font = "bold 24px sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    d.dots.names.forEach((name, kind) => {  // each class's name at its median
      const own = d.dots.kind.flatMap((other, i) => other === kind ? [i] : []);
      if (!own.length || !name) return;
      const middle = values => values.sort((a, b) => a - b)[values.length >> 1];
      const half = pen.measureText(name).width / 2 + 8;
      const x = Math.min(Math.max(middle(own.map(i => d.dots.x[i])) * wide / 500, half), 2 * wide - half);
      const y = Math.min(Math.max(middle(own.map(i => d.dots.y[i])) * high / 500, 18), 2 * high - 18);
      pen.fillStyle = "#ffffff";
      pen.fillRect(x - half, y - 16, 2 * half, 32);
      pen.strokeStyle = d.dots.colours[kind];
      pen.lineWidth = 3;
      pen.strokeRect(x - half, y - 16, 2 * half, 32);
      pen.fillStyle = "#222222";
      pen.fillText(name, x, y + 1);
    });
  };

  const ticks = (chart, side, name, values) => {  // at most seven, evenly spaced, one at the centre
    const start = side === "x" ? "left" : "bottom", n = values.length, stride = Math.ceil((n - 1) / 6);
    values.forEach((value, i) => {
      if ((i - (n >> 1)) % stride) return;
      add(chart, "span", "lp-" + side + " lp-tick", value).style[start] = 100 * (i + 0.5) / n + "%";
    });
    add(chart, "span", "lp-" + side + " lp-name lp-tick", name);
  };

  const start = root => {
    const plane = root.querySelector(".lp-plane"), note = root.querySelector(".lp-note");
    const sheet = plane.querySelector("img");
    const chart = document.createElement("div");
    chart.className = "lp-chart";
    root.insertBefore(chart, plane);
    chart.appendChild(plane);
    root.classList.add("lp-live");
    ticks(chart, "x", d.xlabel, d.xs);
    ticks(chart, "y", d.ylabel, d.ys);
    if (d.dots) {
      root.classList.add("lp-faint");
      scatter(plane, plane.clientWidth || $wide, plane.clientHeight || $wide);
    }
    const cell = add(plane, "div", "lp-cell");
    cell.style.width = 100 / d.columns + "%";
    cell.style.height = 100 / d.rows + "%";
    const shown = document.createElement("div");
    shown.className = "lp-shown";
    root.insertBefore(shown, note);
    const canvas = add(shown, "canvas", ""), pen = canvas.getContext("2d");
    canvas.width = d.width;
    canvas.height = d.height;
    canvas.setAttribute("role", "img");
    const says = add(shown, "div", "lp-says");
    says.setAttribute("role", "status");  // screen readers say the codes
    says.setAttribute("aria-live", "polite");
    note.textContent = "Move over the plane. Or press Tab until it has a frame, then the arrow keys; with Shift they "
      + "go five steps, Home goes to the centre. Shown is the image decoded at the nearest of "
      + d.rows + " × " + d.columns + " codes."
      + (d.outside ? " " + d.outside + " of " + (d.outside + d.dots.x.length) + " points lie outside." : "");
    plane.tabIndex = 0;
    plane.setAttribute("role", "application");
    plane.setAttribute("aria-roledescription", "plane of codes");
    plane.setAttribute("aria-label", (d.title || "Latent plane") + ". The arrow keys move by one code, with Shift by "
      + "five, Home goes to the centre.");

    let column = d.columns >> 1, row = d.rows >> 1;  // row 0 is the lowest
    const show = () => {
      cell.style.left = 100 * column / d.columns + "%";
      cell.style.bottom = 100 * row / d.rows + "%";
      const codes = d.xlabel + " = " + d.xs[column] + "\n" + d.ylabel + " = " + d.ys[row];
      if (says.textContent !== codes) says.textContent = codes;
      canvas.setAttribute("aria-label", "image decoded from " + codes.replace("\n", ", "));
      if (!sheet.complete) return;
      pen.drawImage(sheet, column * d.width, (d.rows - 1 - row) * d.height, d.width, d.height, 0, 0, d.width, d.height);
    };
    const move = (x, y) => {
      column = clamp(x, d.columns);
      row = clamp(y, d.rows);
      show();
    };
    const point = event => {  // mouse, pen or finger
      const box = plane.getBoundingClientRect();
      move(Math.floor((event.clientX - box.left) / box.width * d.columns),
           d.rows - 1 - Math.floor((event.clientY - box.top) / box.height * d.rows));
    };
    plane.addEventListener("pointermove", point);
    plane.addEventListener("pointerdown", event => {
      point(event);
      plane.focus({ preventScroll: true });
    });
    plane.addEventListener("keydown", event => {
      const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
      const way = ways[event.key], step = event.shiftKey ? 5 : 1;
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      if (way || event.key === "Home" || event.key.length === 1) event.stopPropagation();  // d, d: Jupyter cuts a cell
      if (!way && event.key !== "Home") return;
      event.preventDefault();  // the page does not scroll
      if (way) move(column + step * way[0], row + step * way[1]);
      else move(d.columns >> 1, d.rows >> 1);
    });
    sheet.addEventListener("load", show);
    show();
  };

  // The same view may stand on a page twice (a notebook with two windows): each is started once.
  for (const root of document.querySelectorAll(".$id:not(.lp-live)")) start(root);
})();
