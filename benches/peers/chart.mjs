// The browser's engines as bars: four panels, less is better in all of them.
const PANELS = [
  { title: 'one instruction, best, ms', pick: ({ best_ms }) => best_ms, digits: 1 },
  { title: 'page load to first embedding, ms', pick: ({ cold_start_ms }) => cold_start_ms, digits: 0 },
  { title: 'downloaded, MB', pick: ({ download_bytes }) => download_bytes / 1e6, digits: 1 },
  { title: 'memory over an empty page, MB', pick: ({ peak_bytes }) => peak_bytes / 1e6, digits: 0 },
];
const OURS = '#0f766e';
const PEER = '#94a3b8';
const [PANEL_WIDTH, NAME_WIDTH, BAR_WIDTH] = [460, 150, 240];
const [ROW, BAR, HEAD, MARGIN] = [24, 14, 34, 16];

const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

function panel({ title, pick, digits }, engines) {
  const most = Math.max(...engines.map(pick).filter(Number.isFinite));
  const rows = engines.map((engine, index) => {
    const value = pick(engine);
    if (!Number.isFinite(value)) return '';
    const y = HEAD + index * ROW;
    const width = Math.max(1, (BAR_WIDTH * value) / most);
    return (
      `<text x="${NAME_WIDTH - 8}" y="${y + BAR - 3}" text-anchor="end">${escape(engine.name)}</text>` +
      `<rect x="${NAME_WIDTH}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="2" fill="${engine.ours ? OURS : PEER}"/>` +
      `<text x="${(NAME_WIDTH + width + 6).toFixed(1)}" y="${y + BAR - 3}">${value.toFixed(digits)}</text>`
    );
  });
  return `<text x="${NAME_WIDTH}" y="18" font-weight="600">${escape(title)}</text>\n${rows.join('\n')}`;
}

export function chart(engines, caption) {
  const height = HEAD + engines.length * ROW + MARGIN;
  const [width, all] = [2 * PANEL_WIDTH + 2 * MARGIN, 2 * height + 3 * MARGIN];
  const panels = PANELS.map((one, index) => {
    const [x, y] = [MARGIN + (index % 2) * PANEL_WIDTH, MARGIN + (index >> 1) * height];
    return `<g transform="translate(${x} ${y})">\n${panel(one, engines)}\n</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${all}" width="${width}" height="${all}" role="img">
<title>Engines in the browser: ${escape(caption)}</title>
<rect width="100%" height="100%" rx="6" fill="#fff"/>
<g font-family="system-ui, sans-serif" font-size="12" fill="#1e293b">
${panels.join('\n')}
<text x="${MARGIN + 8}" y="${all - MARGIN}" font-size="11" fill="#64748b">${escape(caption)}</text>
</g>
</svg>
`;
}
