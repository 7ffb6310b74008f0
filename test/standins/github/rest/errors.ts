export interface FieldError {
  resource: string;
  field?: string;
  code: string;
  message?: string;
}

/** An answer that is not success, in GitHub's shape: `{message, documentation_url, status, errors?}`. */
export class ApiError extends Error {
  override name = 'ApiError';
  readonly status: number;
  readonly errors: (FieldError | string)[] | undefined;
  readonly headers: Record<string, string>;
  /** Instead of GitHub's usual body. */
  readonly body: object | undefined;

  constructor(
    status: number,
    message: string,
    more: { errors?: (FieldError | string)[]; headers?: Record<string, string>; body?: object } = {},
  ) {
    super(message);
    this.status = status;
    this.errors = more.errors;
    this.headers = more.headers ?? {};
    this.body = more.body;
  }

  toBody(): object {
    if (this.body) return this.body;
    return {
      message: this.message,
      ...(this.errors ? { errors: this.errors } : {}),
      documentation_url: 'https://docs.github.com/rest',
      status: String(this.status),
    };
  }
}

export function notFound(): ApiError {
  return new ApiError(404, 'Not Found');
}

/** 422 with one reason. */
export function invalid(resource: string, field: string, message: string, code = 'invalid'): ApiError {
  return new ApiError(422, 'Validation Failed', { errors: [{ resource, field, code, message }] });
}

/** 422 as GitHub's schema check answers it: the sentence is the message. */
export function unprocessable(message: string): ApiError {
  return new ApiError(422, message);
}
