/** A comment has at most 65,536 characters (GitHub); nobody links to more runs than these in good faith. */
const MOST_LINKS = 50;

/** The ids of the runs whose pages, logs or downloads this text links to. `publicUrl`: of the site. */
export function linkedRuns(text: string, publicUrl: string): string[] {
  const ids = new Set<string>();
  for (const [at, follows] of beginnings(text, `${publicUrl}/runs/`)) {
    const id = /^[0-9a-z]{26}(?![0-9A-Za-z])/.exec(text.slice(follows, follows + 27))?.[0];
    // `https://evil.example/?https://rcb.example/runs/…` is a link elsewhere.
    if (id && !/[\w/?=&#%]/.test(text[at - 1] ?? ' ')) ids.add(id);
    if (ids.size === MOST_LINKS) break;
  }
  return [...ids];
}

/** Where each begins and where it ends. */
function* beginnings(text: string, wanted: string): Generator<[number, number]> {
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
    yield [at, at + wanted.length];
  }
}
