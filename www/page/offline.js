// The page for visits without a network; not there in pages without a secure origin, and not needed for this visit.
import { byId } from './dom.js';

export async function startOffline() {
  if (!('serviceWorker' in navigator)) return;
  byId('reload').addEventListener('click', () => location.reload());
  const renewing = navigator.serviceWorker.controller !== null;
  navigator.serviceWorker.addEventListener('controllerchange', () => (byId('renewed').hidden = !renewing));
  try {
    await navigator.serviceWorker.register('sw.js', { updateViaCache: 'none' });
  } catch (error) {
    console.warn(`This page will not be there without a network: ${error.message}`);
  }
}
