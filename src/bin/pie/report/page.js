// The map: which dots are left, and what stands behind one. Without it the page says all the rest.
(() => {
  const map = document.getElementById('map');
  if (!map) return;
  const data = JSON.parse(document.getElementById('data').textContent);
  const LEVELS = { kind: 0, task: 1 };
  const REACH = 40;
  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const svg = map.querySelector('svg');
  const ring = document.getElementById('ring');
  const told = document.getElementById('told');
  const find = document.getElementById('find');
  const bars = [...document.querySelectorAll('.bars button')];
  const circles = [...svg.querySelectorAll('circle:not(#ring)')];
  const dots = data.dots.map(([kind, task, place, cosine, text], at) => ({
    labels: [kind, task],
    place,
    cosine,
    text,
    lower: text.toLowerCase(),
    circle: circles[at],
    x: Number(circles[at].getAttribute('cx')),
    y: Number(circles[at].getAttribute('cy')),
  }));
  let shown = dots;
  let current;

  function filter() {
    const chosen = bars.filter((bar) => bar.getAttribute('aria-pressed') === 'true');
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = ({ labels, lower }) => chosen.every(({ dataset }) => labels[LEVELS[dataset.level]] === Number(dataset.label)) &&
      words.every((word) => lower.includes(word));
    shown = dots.filter(fits);
    const left = new Set(shown);
    for (const dot of dots) dot.circle.classList.toggle('off', !left.has(dot));
    const of = shown.length === dots.length ? '' : `${shown.length.toLocaleString('en')} of `;
    document.getElementById('shown').textContent = `${of}${dots.length.toLocaleString('en')} texts`;
    if (!left.has(current)) tell(undefined);
  }

  function tell(dot) {
    if (dot === current) return;
    current = dot;
    ring.setAttribute('cx', dot ? dot.x : -50);
    ring.setAttribute('cy', dot ? dot.y : -50);
    told.replaceChildren();
    if (!dot) return;
    const text = document.createElement('q');
    text.dir = 'auto';
    text.textContent = dot.text;
    const about = document.createElement('p');
    about.className = 'note';
    const names = Object.keys(LEVELS).filter((level) => data[level]).map((level) => data[level][dot.labels[LEVELS[level]]]);
    const nearest = dot.cosine && `nearest other text ${dot.cosine}`;
    about.textContent = [...names, dot.place, nearest].filter(Boolean).join(' · ');
    told.append(text, about);
  }

  /** The dot with the least `distance`, of those that have one. */
  function least(distance) {
    let [best, low] = [undefined, Infinity];
    for (const dot of shown) {
      const far = distance(dot);
      if (far < low) [best, low] = [dot, far];
    }
    return best;
  }

  map.addEventListener('pointermove', ({ clientX, clientY }) => {
    const { left, top, width } = svg.getBoundingClientRect();
    const scale = svg.viewBox.baseVal.width / width;
    const [x, y] = [(clientX - left) * scale, (clientY - top) * scale];
    const dot = least((dot) => Math.hypot(dot.x - x, dot.y - y));
    if (dot && Math.hypot(dot.x - x, dot.y - y) < REACH) tell(dot);
  });

  map.addEventListener('keydown', (event) => {
    const step = STEPS[event.key];
    if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const { width, height } = svg.viewBox.baseVal;
    const from = current ?? least((dot) => Math.hypot(dot.x - width / 2, dot.y - height / 2));
    const next = current && least((dot) => {
      const [x, y] = [dot.x - from.x, dot.y - from.y];
      const [ahead, aside] = [x * step[0] + y * step[1], Math.abs(x * step[1]) + Math.abs(y * step[0])];
      return ahead > 0 && aside <= ahead ? ahead + aside : NaN;
    });
    tell(next ?? from);
  });

  for (const bar of bars) {
    bar.addEventListener('click', () => {
      const on = bar.getAttribute('aria-pressed') === 'true';
      for (const other of bars) if (other.dataset.level === bar.dataset.level) other.setAttribute('aria-pressed', 'false');
      bar.setAttribute('aria-pressed', String(!on));
      filter();
    });
  }
  find.addEventListener('input', filter);
})();
