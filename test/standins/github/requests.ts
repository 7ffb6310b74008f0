/** One request that the stand-in answered, for assertions about what the bot did. */
export interface RequestRecord {
  method: string;
  /** Without query and without `/api/v3`. */
  path: string;
  query: string;
  status: number;
  /** `git` stands for clones, fetches, pushes and archives, whoever asks for them. */
  caller: 'app' | 'installation' | 'user' | 'anonymous' | 'git';
  installationId?: number;
  at: Date;
}

export interface InvalidRequest {
  method: string;
  path: string;
  body: unknown;
  errors: string[];
}

const MOST_KEPT = 10_000;

/** The latest requests; old ones are forgotten. */
export class RequestLog {
  readonly requests: RequestRecord[] = [];
  readonly invalid: InvalidRequest[] = [];

  add(record: RequestRecord): void {
    this.requests.push(record);
    if (this.requests.length > MOST_KEPT) this.requests.splice(0, this.requests.length - MOST_KEPT);
  }
}
