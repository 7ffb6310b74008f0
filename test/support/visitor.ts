/** A person with a browser without JavaScript: keeps cookies, follows links and redirects, sends the forms of pages. */
export class Visitor {
  readonly site: string;
  /** By host. */
  readonly cookies = new Map<string, Map<string, string>>();

  constructor(site: string) {
    this.site = site;
  }

  /** Follow redirects from here; answers the last page. `path`: of the site, or a whole address. */
  async open(path: string, init: RequestInit = {}): Promise<Page> {
    let url = new URL(path, this.site);
    let response = await this.fetch(url, init);
    for (let hops = 0; response.status >= 300 && response.status < 400; hops++) {
      if (hops > 10) throw new Error(`too many redirects, the last one to ${url}`);
      await response.body?.cancel();
      url = new URL(response.headers.get('location')!, url);
      response = await this.fetch(url);
    }
    return { url, status: response.status, text: await response.text() };
  }

  /** One request, with the cookies of its host; a redirect is not followed. */
  async fetch(url: URL | string, init: RequestInit = {}): Promise<Response> {
    const { host } = new URL(url, this.site);
    const jar = this.cookies.get(host) ?? new Map<string, string>();
    this.cookies.set(host, jar);
    const headers = new Headers(init.headers);
    if (jar.size > 0) headers.set('cookie', [...jar].map(([name, value]) => `${name}=${value}`).join('; '));
    const response = await fetch(new URL(url, this.site), { ...init, headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) keep(jar, line);
    return response;
  }

  /** Send a form of a page as a browser would. */
  submit(page: Page, form: Form, changes: Record<string, string> = {}): Promise<Page> {
    return this.open(form.action, this.submission(form, changes, page.url.origin));
  }

  submission({ fields }: Form, changes: Record<string, string> = {}, origin = this.site): RequestInit {
    const body = new URLSearchParams({ ...fields, ...changes });
    return { method: 'POST', body, headers: { origin: new URL(origin).origin } };
  }
}

function keep(jar: Map<string, string>, line: string): void {
  const [pair = '', ...attributes] = line.split(/;\s*/);
  const at = pair.indexOf('=');
  if (attributes.some((attribute) => /^max-age=0$/i.test(attribute))) jar.delete(pair.slice(0, at));
  else jar.set(pair.slice(0, at), pair.slice(at + 1));
}

export interface Page {
  url: URL;
  status: number;
  text: string;
}

export interface Form {
  action: string;
  /** What its submit button says. */
  button: string;
  fields: Record<string, string>;
}

/** The POST forms of a page, as they are written here: attributes in double quotes. */
export function formsOf({ text }: Pick<Page, 'text'>): Form[] {
  return [...text.matchAll(/<form\b([^>]*method="post"[^>]*)>(.*?)<\/form>/gs)].map(([, head = '', inside = '']) => ({
    action: attribute(head, 'action'),
    button: /<button[^>]*>([^<]*)<\/button>/.exec(inside)?.[1] ?? '',
    fields: Object.fromEntries(
      [...inside.matchAll(/<input\b([^>]*)>/g)].map(([, input = '']) => [
        attribute(input, 'name'),
        attribute(input, 'value'),
      ]),
    ),
  }));
}

const attribute = (tag: string, name: string): string => new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1] ?? '';

/** The form with this button; throws with what there is instead. */
export function formOf(page: Page, button: string): Form {
  const form = formsOf(page).find((each) => each.button === button);
  if (form) return form;
  const found = formsOf(page).map((each) => each.button);
  throw new Error(`${page.url} (${page.status}) has no button ${button}, but ${found.join(', ') || 'none'}`);
}
