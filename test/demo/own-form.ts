/** The demo's forms act without a login: other pages in the visitor's browser must not be able to send them. */

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/** By name, whatever the port (it may be forwarded): a foreign name that leads to 127.0.0.1 is not ours. */
export function isAllowedHost(host: string | undefined): boolean {
  return host !== undefined && URL.canParse(`http://${host}`) && LOOPBACK.has(new URL(`http://${host}`).hostname);
}

/** Browsers say where a form comes from; programs like curl need not. */
export function isOwnForm(request: { header(name: string): string | undefined }): boolean {
  const site = request.header('Sec-Fetch-Site');
  if (site !== undefined && site !== 'same-origin') return false;
  const origin = request.header('Origin');
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === request.header('Host');
}
