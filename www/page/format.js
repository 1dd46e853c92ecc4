export const percent = (fraction) => (fraction > 0 && fraction < 0.005 ? '<1%' : `${Math.round(100 * fraction)}%`);
export const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
export const whole = (number) => number.toLocaleString('en');
export const count = (number, one, many = `${one}s`) => `${whole(number)} ${number === 1 ? one : many}`;
