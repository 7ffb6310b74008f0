/** The session that a server gives us, so that it need not check who we are each time. One origin's, in memory. */
export class Cookies {
  readonly #values = new Map<string, string>();

  take(lines: string[]): void {
    for (const line of lines.slice(0, MOST)) {
      const match = /^([\w!#$%&'*+.^`|~-]{1,100})=([\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e"]{0,4000})(?:;|$)/.exec(
        line,
      );
      if (!match) continue;
      const isOver = match[2] === '' || /;\s*max-age=(?:0|-\d+)\s*(?:;|$)/i.test(line);
      if (isOver) this.#values.delete(match[1]!);
      else if (this.#values.size < MOST || this.#values.has(match[1]!)) this.#values.set(match[1]!, match[2]!);
    }
  }

  get header(): string | undefined {
    return this.#values.size === 0
      ? undefined
      : [...this.#values].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  clear(): void {
    this.#values.clear();
  }
}

const MOST = 20;
