/**
 * Reads a web server's log: the pages that are asked for most, bytes by status, errors by hour, visits by user.
 *
 * Shows: lines to typed rows by a regular expression, an accumulator for those that do not fit, several questions to one
 * cached RDD, groupByKey where all values of a key are needed in order.
 * Data: --input FILE, DIRECTORY or GLOB in the common log format; without it --lines generated lines (default 5,000), 1 % of them damaged.
 * Expected on the generated log: 50 bad lines, 2,502 visits; "/" leads the pages.
 */
import { parseArgs } from 'node:util';
import type { SheafContext } from 'sheaf';
import { random } from './support/random.js';

const LINE = /^(\S+) \S+ (\S+) \[([^\]]+)\] "(\S+) (\S+) [^"]*" (\d{3}) (\d+|-)$/;
const PAUSE_BETWEEN_VISITS = 30 * 60_000;

export interface Request {
  readonly user: string;
  readonly time: Date;
  readonly page: string;
  readonly status: number;
  readonly bytes: number;
}

export default async function main(sc: SheafContext, args: string[]) {
  const { values } = parseArgs({
    args,
    options: { input: { type: 'string' }, lines: { type: 'string', default: '5000' } },
  });
  const lines = values.input ? sc.textFile(values.input) : sc.range(0, Number(values.lines)).map(lineOf);
  const badLines = sc.longAccumulator('bad lines');
  const requests = lines
    .flatMap((line) => {
      const request = parse(line);
      if (!request) badLines.add(1);
      return request ? [request] : [];
    })
    .cache();

  const pages = requests.map(({ page }) => [page, 1]).reduceByKey((a, b) => a + b);
  const topPages = await pages.sortBy(([page, count]) => [-count, page]).take(5);
  const bytesByStatus = await requests
    .map(({ status, bytes }) => [status, bytes])
    .aggregateByKey(
      { requests: 0, bytes: 0 },
      (all, bytes) => ({ requests: all.requests + 1, bytes: all.bytes + bytes }),
      (a, b) => ({ requests: a.requests + b.requests, bytes: a.bytes + b.bytes }),
    )
    .sortByKey()
    .collect();
  const errorsByHour = await requests
    .filter(({ status }) => status >= 500)
    .map(({ time }) => time.getUTCHours())
    .countByValue();
  const visits = requests
    .map(({ user, time }) => [user, time.getTime()])
    .groupByKey()
    .mapValues((times) => visitsOf(times).length);
  return {
    requests: await requests.count(),
    badLines: badLines.value,
    topPages,
    bytesByStatus,
    errorsByHour: [...errorsByHour].sort(([a], [b]) => a - b),
    visits: await visits.values().sum(),
    mostVisits: await visits.takeOrdered(3, ([a, m], [b, n]) => n - m || (a < b ? -1 : 1)),
  };
}

/** `host - user [10/Oct/2000:13:55:36 +0000] "GET /page HTTP/1.1" status bytes`; undefined for any other line. */
export function parse(line: string): Request | undefined {
  const [, , user, at, , page, status, bytes] = LINE.exec(line) ?? [];
  const time = new Date(at?.replaceAll('/', ' ').replace(':', ' ') ?? '');
  if (Number.isNaN(time.getTime())) return undefined;
  return { user: user!, time, page: page!, status: Number(status), bytes: bytes === '-' ? 0 : Number(bytes) };
}

/** A user's requests, cut where nothing came for half an hour. */
export function visitsOf(times: readonly number[]): number[][] {
  const visits: number[][] = [];
  for (const time of [...times].sort((a, b) => a - b)) {
    const last = visits.at(-1);
    if (last && time - last.at(-1)! <= PAUSE_BETWEEN_VISITS) last.push(time);
    else visits.push([time]);
  }
  return visits;
}

/** Line i of a day's log of 200 users; users and pages are asked for unevenly. */
export function lineOf(i: number): string {
  const next = random(i);
  const user = Math.floor(200 * next() ** 2);
  const at = new Date(Date.UTC(2024, 4, 1) + 1000 * Math.floor(86_400 * next())).toUTCString();
  const [, day, month, year, time] = at.split(' ');
  const page = Math.floor(20 * next() ** 3);
  const status = next() < 0.05 ? 500 : next() < 0.1 ? 404 : 200;
  const bytes = status === 200 ? Math.floor(200 + 10_000 * next()) : '-';
  const line = `10.0.0.${user} - user${user} [${day}/${month}/${year}:${time} +0000] "GET /${page === 0 ? '' : `page${page}`} HTTP/1.1" ${status} ${bytes}`;
  return i % 100 === 99 ? line.slice(0, 30) : line;
}
