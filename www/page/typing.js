const PAUSE_MS = 120;

/** Runs `work` once typing pauses; what an older run brings after a newer one began is dropped. */
export function whenTypingPauses(work) {
  let timer;
  let latest = 0;
  return (delayMs = PAUSE_MS) => {
    clearTimeout(timer);
    const run = ++latest;
    timer = setTimeout(() => work(() => run === latest), delayMs);
  };
}
