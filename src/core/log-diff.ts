/**
 * The difference of two texts whose lines are numbers (equal lines, equal numbers). Patience diff: lines that both have
 * once are held fast, in their longest common order; between them, where none is left, Myers' algorithm in its
 * linear-space form (E. W. Myers, "An O(ND) Difference Algorithm and Its Variations", 1986). What is more work than
 * `effort` allows is told as replaced whole: true, though not the shortest.
 */
export interface LineChange {
  /** Where, counted from 0, in the old and in the new text. */
  old: number;
  new: number;
  removed: number;
  added: number;
}

export interface LineDiff {
  /** In order; what lies between two of them is equal. */
  changes: LineChange[];
  /** Some part was too much work to be compared line by line. */
  isCoarse: boolean;
}

/** Some tenths of a second. */
const EFFORT = 8_000_000;

export function diffLines(before: Int32Array, after: Int32Array, effort = EFFORT): LineDiff {
  const work = new Work(before, after, effort);
  // A stack of our own: texts can nest deeper than the machine's.
  const open: Box[] = [{ x: 0, xEnd: before.length, y: 0, yEnd: after.length }];
  for (let box = open.pop(); box; box = open.pop()) {
    const inner = work.trimmed(box);
    if (inner.x === inner.xEnd || inner.y === inner.yEnd) work.change(inner);
    else open.push(...work.split(inner).reverse());
  }
  return { changes: work.changes, isCoarse: work.isCoarse };
}

/** Lines x to xEnd of the old text, y to yEnd of the new one. */
interface Box {
  x: number;
  xEnd: number;
  y: number;
  yEnd: number;
}

class Work {
  readonly changes: LineChange[] = [];
  isCoarse = false;
  private readonly before: Int32Array;
  private readonly after: Int32Array;
  private effort: number;

  constructor(before: Int32Array, after: Int32Array, effort: number) {
    this.before = before;
    this.after = after;
    this.effort = effort;
  }

  trimmed({ x, xEnd, y, yEnd }: Box): Box {
    const { before, after } = this;
    while (x < xEnd && y < yEnd && before[x] === after[y]) [x, y] = [x + 1, y + 1];
    while (x < xEnd && y < yEnd && before[xEnd - 1] === after[yEnd - 1]) [xEnd, yEnd] = [xEnd - 1, yEnd - 1];
    return { x, xEnd, y, yEnd };
  }

  /** Boxes come in order, so a change that touches the one before it belongs to it. */
  change({ x, xEnd, y, yEnd }: Box): void {
    const [removed, added] = [xEnd - x, yEnd - y];
    if (removed + added === 0) return;
    const last = this.changes.at(-1);
    if (last && last.old + last.removed === x && last.new + last.added === y) {
      last.removed += removed;
      last.added += added;
    } else this.changes.push({ old: x, new: y, removed, added });
  }

  /** Smaller boxes, in order; what they leave out is equal. None: the box was told as replaced. */
  split(box: Box): Box[] {
    const size = box.xEnd - box.x + box.yEnd - box.y;
    this.effort -= size;
    if (this.effort > 0) {
      const anchors = longestRise(this.onceInBoth(box));
      if (anchors.length > 0) return between(box, anchors);
      const snake = this.middleSnake(box);
      if (snake) {
        return [
          { ...box, xEnd: snake.x, yEnd: snake.y },
          { ...box, x: snake.xEnd, y: snake.yEnd },
        ];
      }
    }
    this.isCoarse = true;
    this.change(box);
    return [];
  }

  /** Pairs of lines that both sides have once, in the order of the old text. */
  private onceInBoth({ x, xEnd, y, yEnd }: Box): Anchor[] {
    const seen = new Map<number, { x: number; y: number }>();
    const many = -2;
    for (let i = x; i < xEnd; i++) {
      const known = seen.get(this.before[i]!);
      if (known) known.x = many;
      else seen.set(this.before[i]!, { x: i, y: -1 });
    }
    for (let i = y; i < yEnd; i++) {
      const known = seen.get(this.after[i]!);
      if (known) known.y = known.y === -1 ? i : many;
    }
    return [...seen.values()].filter((each) => each.x >= 0 && each.y >= 0);
  }

  /** Undefined: too much work. Its two halves together are smaller than the box, or it is nothing but equal lines. */
  private middleSnake({ x: x0, xEnd, y: y0, yEnd }: Box): Box | undefined {
    const { before, after } = this;
    const [n, m] = [xEnd - x0, yEnd - y0];
    const delta = n - m;
    const isOdd = (delta & 1) !== 0;
    const most = Math.ceil((n + m) / 2);
    const affordable = Math.min(most, Math.floor(Math.sqrt(this.effort)), MOST_STEPS);
    const zero = affordable + 1;
    const forward = new Int32Array(2 * zero + 1);
    const backward = new Int32Array(2 * zero + 1);
    for (let d = 0; d <= affordable; d++) {
      this.effort -= d;
      // Diagonals beyond these have left the box.
      const [first, last] = [2 * Math.max(0, d - m) - d, d - 2 * Math.max(0, d - n)];
      for (let k = first; k <= last; k += 2) {
        const isDown = k === -d || (k !== d && forward[zero + k - 1]! < forward[zero + k + 1]!);
        let x = isDown ? forward[zero + k + 1]! : forward[zero + k - 1]! + 1;
        const start = x;
        while (x < n && x - k < m && before[x0 + x] === after[y0 + x - k]) x++;
        forward[zero + k] = x;
        const back = delta - k;
        if (isOdd && Math.abs(back) < d && x + backward[zero + back]! >= n) {
          return { x: x0 + start, y: y0 + start - k, xEnd: x0 + x, yEnd: y0 + x - k };
        }
      }
      for (let k = first; k <= last; k += 2) {
        const isDown = k === -d || (k !== d && backward[zero + k - 1]! < backward[zero + k + 1]!);
        let x = isDown ? backward[zero + k + 1]! : backward[zero + k - 1]! + 1;
        const start = x;
        while (x < n && x - k < m && before[xEnd - 1 - x] === after[yEnd - 1 - x + k]) x++;
        backward[zero + k] = x;
        const ahead = delta - k;
        if (!isOdd && Math.abs(ahead) <= d && x + forward[zero + ahead]! >= n) {
          return { x: xEnd - x, y: yEnd - x + k, xEnd: xEnd - start, yEnd: yEnd - start + k };
        }
      }
    }
    return undefined;
  }
}

/** Beyond so many differences without a line to hold on to, two texts have nothing to do with one another. */
const MOST_STEPS = 2_000;

interface Anchor {
  x: number;
  y: number;
}

/** The longest part of it, in order, whose `y` rises, too. */
function longestRise(anchors: Anchor[]): Anchor[] {
  const ends: number[] = [];
  const previous = new Int32Array(anchors.length);
  for (const [index, { y }] of anchors.entries()) {
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (anchors[ends[middle]!]!.y < y) low = middle + 1;
      else high = middle;
    }
    previous[index] = low > 0 ? ends[low - 1]! : -1;
    ends[low] = index;
  }
  const rise: Anchor[] = [];
  for (let at = ends.at(-1) ?? -1; at >= 0; at = previous[at]!) rise.push(anchors[at]!);
  return rise.reverse();
}

function between({ x, xEnd, y, yEnd }: Box, anchors: Anchor[]): Box[] {
  const boxes: Box[] = [];
  for (const anchor of anchors) {
    boxes.push({ x, xEnd: anchor.x, y, yEnd: anchor.y });
    [x, y] = [anchor.x + 1, anchor.y + 1];
  }
  boxes.push({ x, xEnd, y, yEnd });
  return boxes;
}

/** Changes that are close to one another, with the equal lines around them. */
export interface Hunk {
  old: { from: number; to: number };
  new: { from: number; to: number };
  changes: LineChange[];
}

/** `to` excludes; all counted from 0. */
export function hunksOf(changes: LineChange[], oldLines: number, context = 3): Hunk[] {
  const hunks: Hunk[] = [];
  for (const change of changes) {
    const last = hunks.at(-1);
    const before = Math.min(context, change.old, change.new);
    if (last && change.old - before <= last.old.to) last.changes.push(change);
    else {
      hunks.push({
        old: { from: change.old - before, to: 0 },
        new: { from: change.new - before, to: 0 },
        changes: [change],
      });
    }
    const hunk = hunks.at(-1)!;
    const end = change.old + change.removed;
    const after = Math.min(context, oldLines - end);
    hunk.old.to = end + after;
    hunk.new.to = change.new + change.added + after;
  }
  return hunks;
}
