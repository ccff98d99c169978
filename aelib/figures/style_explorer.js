(() => {
  const d = $data;
  const decode = (text, Kind) => new Kind(Uint8Array.from(atob(text), letter => letter.charCodeAt(0)).buffer);
  const starts = decode(d.start, Float32Array), directions = decode(d.directions, Float32Array);

  // ---- the generator: what aelib.models.style_gan.synthesis_network computes, with noise 0 ----

  // Weights are whole numbers of one byte, times a scale for each output; all other numbers have 32 bits.
  const bytes = decode(d.bytes, Int8Array), numbers = decode(d.numbers, Float32Array);
  let bytesRead = 0, numbersRead = 0;
  const take = n => numbers.subarray(numbersRead, numbersRead += n);
  const takeWeights = (inputs, outputs) => {  // as Keras lays them out: the output runs fastest
    const scale = take(outputs), rounded = bytes.subarray(bytesRead, bytesRead += inputs * outputs);
    return Float32Array.from(rounded, (value, k) => value * scale[k % outputs]);
  };
  const constant = take(d.height * d.width * d.layers[0].inputs);
  const layers = d.layers.map(layer => ({
    ...layer,
    toStyle: takeWeights(d.size, layer.inputs),
    styleBias: take(layer.inputs),
    kernel: takeWeights(layer.side * layer.side * layer.inputs, layer.outputs),
    bias: take(layer.outputs),
  }));

  // The kernel of this one picture: the style says how much each map counts. Where there is a gain, demodulation then
  // gives the weights of each output a sum of squares of gain².
  const modulate = ({ level, inputs, outputs, gain, toStyle, styleBias, kernel }, w) => {
    const style = styleBias.slice(), own = kernel.slice(), power = new Float32Array(outputs);
    for (let k = 0; k < toStyle.length; k++) {
      style[k % inputs] += toStyle[k] * w[level * d.size + Math.floor(k / inputs)];
    }
    for (let k = 0; k < own.length; k++) {
      own[k] *= style[Math.floor(k / outputs) % inputs];
      power[k % outputs] += own[k] * own[k];
    }
    return gain ? own.map((weight, k) => weight * gain / Math.sqrt(power[k % outputs] + 1e-8)) : own;
  };

  // A convolution with zeros beyond the edge. With `up` 1 its input has twice the height and width of `maps`, each
  // number standing four times: it is not copied, but looked up where it stands once.
  const convolve = ({ maps, height, width }, { side, inputs, outputs, up, bias }, kernel) => {
    const high = height << up, wide = width << up, edge = side >> 1, out = new Float32Array(high * wide * outputs);
    for (let y = 0; y < high; y++) for (let x = 0; x < wide; x++) {
      const to = (y * wide + x) * outputs, sum = out.subarray(to, to + outputs);
      sum.set(bias);
      for (let dy = 0; dy < side; dy++) for (let dx = 0; dx < side; dx++) {
        const row = y + dy - edge, column = x + dx - edge;
        if (row < 0 || row >= high || column < 0 || column >= wide) continue;
        const from = ((row >> up) * width + (column >> up)) * inputs;
        for (let i = 0; i < inputs; i++) {
          const value = maps[from + i], weights = ((dy * side + dx) * inputs + i) * outputs;
          for (let o = 0; o < outputs; o++) sum[o] += value * kernel[weights + o];
        }
      }
    }
    return { maps: out, height: high, width: wide };
  };

  // A face's w, plus each direction times its slider's value, to colours between 0 and 1.
  const picture = (face, values) => {
    const length = d.levels * d.size, w = starts.slice(face * length, (face + 1) * length);
    values.forEach((value, k) => {
      for (let i = 0; i < length; i++) w[i] += value * directions[k * length + i];
    });
    let now = { maps: constant, height: d.height, width: d.width };
    for (const layer of layers) {
      now = convolve(now, layer, modulate(layer, w));
      if (layer.gain) now.maps = now.maps.map(value => value < 0 ? 0.2 * value : value);  // leaky, but for the colours
    }
    return { ...now, maps: now.maps.map(value => 0.5 * Math.tanh(value) + 0.5) };
  };
  if (typeof document === "undefined") return picture;  // for a test without a page

  // ---- the page ----

  const add = (parent, tag, name, text) => {
    const node = parent.appendChild(document.createElement(tag));
    node.className = name;
    node.textContent = text || "";
    return node;
  };
  const written = step => String(+(step * d.reach / d.steps).toPrecision(3)).replace("-", "−");

  const start = root => {
    root.classList.add("se-live");
    const live = document.createElement("div");
    live.className = "se-body";
    root.insertBefore(live, root.querySelector(".se-note"));
    const left = add(live, "div", "se-left"), right = add(live, "div", "se-right");
    const canvas = add(left, "canvas", ""), pen = canvas.getContext("2d");
    canvas.setAttribute("role", "img");
    const says = add(left, "div", "se-says");
    says.setAttribute("role", "status");  // screen readers say which face it is
    const buttons = add(left, "div", "");
    root.querySelector(".se-note").textContent = "Each slider adds its direction to the face's w, times the number "
      + "beside it. This page computes the picture with the generator's weights, rounded to 8 bits, and without noise.";

    let face = 0, asked = false;
    const sliders = d.names.map(name => {
      const label = add(right, "label", "se-slider");  // holds its slider: needs no id
      add(label, "span", "se-name", name).title = name;
      const slider = add(label, "input", ""), value = add(label, "span", "se-value");
      Object.assign(slider, { type: "range", min: -d.steps, max: d.steps, step: 1, value: 0 });
      slider.setAttribute("aria-label", name);
      value.setAttribute("aria-hidden", "true");  // the slider says it
      slider.addEventListener("input", () => change());
      return { slider, value };
    });
    const draw = () => {
      asked = false;
      const { maps, height, width } = picture(face, sliders.map(({ slider }) => slider.value * d.reach / d.steps));
      const colours = maps.length / (height * width);
      canvas.height = height;
      canvas.width = width;
      const image = pen.createImageData(width, height);
      for (let k = 0; k < image.data.length; k++) {  // a grey picture has one number for red, green and blue
        image.data[k] = 255 * (k % 4 === 3 ? 1 : maps[(k >> 2) * colours + k % 4 % colours]);
      }
      pen.putImageData(image, 0, 0);
    };
    const change = () => {  // however often the sliders move: one picture a frame of the screen
      for (const { slider, value } of sliders) {
        value.textContent = written(slider.value);
        slider.setAttribute("aria-valuetext", value.textContent);
      }
      says.textContent = "face " + (face + 1) + " of " + d.faces;
      const moved = d.names.map((name, k) => name + " " + written(sliders[k].slider.value));
      canvas.setAttribute("aria-label", "generated " + says.textContent + ": " + moved.join(", "));
      if (!asked) requestAnimationFrame(draw);
      asked = true;
    };
    const button = (text, press) => {
      const node = add(buttons, "button", "", text);
      node.type = "button";
      node.addEventListener("click", () => { press(); change(); });
    };
    const set = choose => sliders.forEach(({ slider }) => { slider.value = choose(); });
    if (d.faces > 1) button("Another face", () => { face = (face + 1) % d.faces; });
    button("Reset", () => set(() => 0));
    button("Random", () => set(() => Math.round(d.steps * (2 * Math.random() - 1))));
    root.addEventListener("keydown", event => {  // Jupyter's shortcuts: d, d cuts a cell, and the arrows leave it
      const others = event.ctrlKey || event.altKey || event.metaKey || event.key === "Tab" || event.key === "Escape";
      if (!others) event.stopPropagation();
    });
    change();
  };

  // The same view may stand on a page twice (a notebook with two windows): each is started once.
  for (const root of document.querySelectorAll(".$id:not(.se-live)")) start(root);
})();
