/** The addresses of a `Link` header by their relation (RFC 8288): `<https://…?page=2>; rel="next", …`. */
export function linksOf(header: string | number | undefined): Record<string, string> {
  const links: Record<string, string> = {};
  for (const [, address, relation] of String(header ?? '').matchAll(/<([^>]{1,2000})>\s*;\s*rel="([a-z]{1,20})"/g)) {
    links[relation!] = address!;
  }
  return links;
}

/** A parameter of such an address. */
export function parameterOf(address: string | undefined, name: string): string | undefined {
  if (address === undefined || !URL.canParse(address)) return undefined;
  return new URL(address).searchParams.get(name) ?? undefined;
}
