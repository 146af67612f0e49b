import { availableParallelism } from 'node:os';
import { isRedisUrl, redactUrl } from './redis-url.js';

/** Where tasks run, as in Spark. */
export type Master =
  | { readonly kind: 'local'; readonly slots: number }
  | { readonly kind: 'local-cluster'; readonly executors: number; readonly slots: number }
  | { readonly kind: 'redis'; readonly url: string };

/** @throws Error that lists the forms */
export function parseMaster(text: string): Master {
  const local = /^local(?:\[(\d+|\*)\])?$/.exec(text);
  if (local) {
    const slots = local[1] === undefined ? 1 : local[1] === '*' ? availableParallelism() : Number(local[1]);
    if (slots > 0) return { kind: 'local', slots };
  }
  const cluster = /^local-cluster\[\s*(\d+)\s*,\s*(\d+)\s*\]$/.exec(text);
  if (cluster && Number(cluster[1]) > 0 && Number(cluster[2]) > 0)
    return { kind: 'local-cluster', executors: Number(cluster[1]), slots: Number(cluster[2]) };
  if (isRedisUrl(text)) return { kind: 'redis', url: text };
  throw new Error(
    `"${redactUrl(text)}" is no master; use local, local[N], local[*], local-cluster[EXECUTORS,SLOTS], redis://HOST:PORT or rediss://HOST:PORT`,
  );
}
