import { type Logger, pino } from 'pino';

export type Log = Logger;

/** Where a secret could stand in what others hand to the logger: never printed, whatever the level. */
const SECRET_FIELDS = [
  'req.headers.authorization',
  'req.headers["x-hub-signature-256"]',
  'req.headers["x-hub-signature"]',
  'req.headers.cookie',
  'err.request.headers.authorization',
  'err.event',
  'err.response.data.token',
  'event.payload',
  'token',
  '*.token',
  'privateKey',
  '*.privateKey',
];

/** One line of JSON per message on standard output; `pretty` for people at a terminal. */
export function openLog(level: string, destination?: NodeJS.WritableStream): Log {
  return pino({ level, redact: { paths: SECRET_FIELDS, censor: '***' }, base: null }, destination ?? process.stdout);
}
