/** How long to wait before try `tries + 1`: doubling from `firstMs`, at most `mostMs`, spread by a quarter either way so
 *  that rows which failed together do not come back together. `random` is in [0, 1). */
export function backOffMs(tries: number, random: number, firstMs = 1_000, mostMs = 300_000): number {
  const plain = Math.min(mostMs, firstMs * 2 ** Math.max(0, Math.min(tries - 1, 30)));
  return Math.round(plain * (0.75 + random / 2));
}
