/**
 * PORT. The App itself at its forge: where it is installed, and which hooks the forge says it has sent. Verbs throw
 * ForgeError and nothing else.
 */
export interface ForgeApp {
  listInstallations(signal: AbortSignal): Promise<ListedInstallation[]>;
  /** What the App may see there; undefined: it was deleted or is suspended. */
  listRepositories(installation: string, signal: AbortSignal): Promise<ListedRepository[] | undefined>;
  /** Newest first: all that were delivered since, as far back as the forge keeps them (3 days on github.com, 7 on GHES),
   *  and at most `most`. */
  listDeliveries(since: Date, most: number, signal: AbortSignal): Promise<ListedDelivery[]>;
  /** What was sent; undefined: the forge does not keep it any more. */
  readDelivery(id: string, signal: AbortSignal): Promise<SentHook | undefined>;
  /** Ask for it to be sent once more, under the same guid. */
  redeliver(id: string, signal: AbortSignal): Promise<void>;
}

export interface ListedInstallation {
  /** `github:<id>` */
  key: string;
  account: string;
  accountId: string;
  suspended: boolean;
}

export interface ListedRepository {
  /** `github:<id>` */
  key: string;
  name: string;
  defaultBranch: string;
  private: boolean;
  archived: boolean;
}

/** One attempt at delivering a hook. */
export interface ListedDelivery {
  /** Of this attempt. */
  id: string;
  /** Of the hook: X-GitHub-Delivery, the same when it is sent again. */
  guid: string;
  deliveredAt: Date;
  redelivery: boolean;
  /** The hook was answered with a 2xx. */
  ok: boolean;
  /** `push`, `check_run`. */
  name: string;
  action?: string;
}

/** `body`: the payload as JSON text. */
export interface SentHook {
  guid: string;
  name: string;
  body: string;
}
