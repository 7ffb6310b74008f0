import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

const TYPES = {
  'site.css': 'text/css; charset=utf-8',
  'site.js': 'text/javascript; charset=utf-8',
  'log.js': 'text/javascript; charset=utf-8',
  'runs.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const;

export type AssetName = keyof typeof TYPES;

export interface Asset {
  /** `/assets/site.1a2b3c4d5e6f.css`: it changes with the content, so that browsers may keep it for ever. */
  path: string;
  type: string;
  body: Buffer<ArrayBuffer>;
}

export type Assets = Record<AssetName, Asset>;

/** Read once at start; they are a few kilobytes. */
export function loadAssets(): Assets {
  const names = Object.keys(TYPES) as AssetName[];
  return Object.fromEntries(names.map((name) => [name, loadAsset(name)])) as Assets;
}

function loadAsset(name: AssetName): Asset {
  const body = readFileSync(new URL(`assets/${name}`, import.meta.url));
  const hash = createHash('sha256').update(body).digest('hex').slice(0, 12);
  return { path: `/assets/${name.replace('.', `.${hash}.`)}`, type: TYPES[name], body };
}
