/** Preloaded into a worker: its process believes that it is RCB_RACE_SKEW_MS later than it is. */
const skewMs = Number(process.env.RCB_RACE_SKEW_MS ?? 0);
const RealDate = Date;

class SkewedDate extends RealDate {
  constructor(...parts: []) {
    if (parts.length === 0) super(RealDate.now() + skewMs);
    else super(...parts);
  }

  static override now(): number {
    return RealDate.now() + skewMs;
  }
}

globalThis.Date = SkewedDate as DateConstructor;
