import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { SheafContext } from 'sheaf';
import { globSync } from 'tinyglobby';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import invertedIndex, { wordsOf } from '../../jobs/inverted-index.js';
import kMeans, { nearest, type Point, pointOf as pointOfCluster } from '../../jobs/k-means.js';
import logAnalysis, { lineOf, parse, type Request, visitsOf } from '../../jobs/log-analysis.js';
import logisticRegression, { dot, gradientAt, plus, pointOf } from '../../jobs/logistic-regression.js';
import pageRank, { linksOf } from '../../jobs/page-rank.js';
import pi, { inCircle } from '../../jobs/pi.js';
import secondarySort, { readingOf } from '../../jobs/secondary-sort.js';
import sensorWindows from '../../jobs/sensor-windows.js';
import skewedJoin, { clickOf, countryOf } from '../../jobs/skewed-join.js';
import transitiveClosure, { edgesOf } from '../../jobs/transitive-closure.js';
import wordCount from '../../jobs/word-count.js';
import { root } from '../support/sheaf.js';
import { SPARK } from './spark-results.js';

/** Programs as Spark's users write them, each beside a plain one that does the same on one thread, and what Spark gave. */

const numbers = (count: number) => [...Array(count).keys()];

function groups<K, V>(pairs: Iterable<readonly [K, V]>): Map<K, V[]> {
  const found = new Map<K, V[]>();
  for (const [key, value] of pairs) {
    const values = found.get(key);
    if (values) values.push(value);
    else found.set(key, [value]);
  }
  return found;
}

function counts<K>(keys: Iterable<K>): Map<K, number> {
  const found = new Map<K, number>();
  for (const key of keys) found.set(key, (found.get(key) ?? 0) + 1);
  return found;
}

const total = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);
const byCount = ([a, m]: [string, number], [b, n]: [string, number]) => n - m || (a < b ? -1 : 1);

function plainWordCount() {
  const found = counts(wordsOf(readFileSync(`${root}LICENSE`, 'utf8')));
  return { words: total(found.values()), different: found.size, top: [...found].sort(byCount).slice(0, 10) };
}

function plainPageRank(pages: number) {
  const links = numbers(pages).map((page) => linksOf(page, pages));
  let ranks: number[] = Array(pages).fill(1);
  for (let iteration = 0; iteration < 10; iteration++) {
    const sums: number[] = Array(pages).fill(0);
    for (const [page, targets] of links.entries())
      for (const target of targets) sums[target]! += ranks[page]! / targets.length;
    ranks = sums.map((sum) => 0.15 + 0.85 * sum);
  }
  return ranks;
}

async function checkPageRank(sc: SheafContext) {
  const { top, sum } = await pageRank(sc, []);
  const ranks = plainPageRank(1000);
  const best = [...ranks.entries()].sort(([, a], [, b]) => b - a).slice(0, 5);
  expect(top.map(([page]) => page)).toEqual(best.map(([page]) => page));
  for (const [k, [, rank]] of top.entries()) expect(rank).toBeCloseTo(best[k]![1], 9);
  expect(sum).toBeCloseTo(1000, 6);
  expect(top.map(([page]) => page)).toEqual(SPARK.pageRank.map(([page]) => page));
  for (const [k, [, rank]] of top.entries()) expect(rank).toBeCloseTo(SPARK.pageRank[k]![1]!, 9);
}

function plainLogAnalysis(lines: number) {
  const requests = numbers(lines).flatMap((i) => parse(lineOf(i)) ?? []);
  const sorted = <V>(map: Map<number, V>) => [...map].sort(([a], [b]) => a - b);
  const pages = counts(requests.map(({ page }) => page));
  const statuses = groups(requests.map(({ status, bytes }): [number, number] => [status, bytes]));
  const errors = requests.filter(({ status }: Request) => status >= 500);
  const users = groups(requests.map(({ user, time }): [string, number] => [user, time.getTime()]));
  const visits = [...users].map(([user, times]): [string, number] => [user, visitsOf(times).length]);
  return {
    requests: requests.length,
    badLines: lines - requests.length,
    topPages: [...pages].sort(byCount).slice(0, 5),
    bytesByStatus: sorted(statuses).map(([status, bytes]) => [status, { requests: bytes.length, bytes: total(bytes) }]),
    errorsByHour: sorted(counts(errors.map(({ time }) => time.getUTCHours()))),
    visits: total(visits.map(([, count]) => count)),
    mostVisits: visits.sort(byCount).slice(0, 3),
  };
}

describe('on local[2]', () => {
  let sc: SheafContext;
  beforeAll(async () => {
    sc = await SheafContext.create({ master: 'local[2]', conf: { 'sheaf.eventLog.enabled': 'false' } });
  });
  afterAll(() => sc.stop());

  it('counts words', async () => {
    const found = await wordCount(sc, []);
    expect(found).toEqual(plainWordCount());
    expect({ ...found, first: found.top[0] }).toMatchObject(SPARK.wordCount);
  });

  it('ranks pages', () => checkPageRank(sc));

  it('finds the centres of clusters', async () => {
    const { centres } = await kMeans(sc, []);
    const points = numbers(2000).map(pointOfCluster);
    const clusters = groups(points.map((point): [number, Point] => [nearest(point, centres), point]));
    for (const [k, cluster] of clusters)
      for (const axis of [0, 1] as const)
        expect(total(cluster.map((point) => point[axis])) / cluster.length).toBeCloseTo(centres[k]![axis], 3);
    expect(centres.map((centre) => centre.map((x) => Math.round(x)).join()).sort()).toEqual([
      '-3,-3',
      '-3,3',
      '3,-3',
      '3,3',
    ]);
  });

  it('fits a logistic regression', async () => {
    const { weights, accuracy } = await logisticRegression(sc, []);
    const points = numbers(2000).map(pointOf);
    let expected: number[] = Array(10).fill(0);
    for (let iteration = 0; iteration < 10; iteration++) {
      const gradient = points.map((point) => gradientAt(expected, point)).reduce(plus);
      expected = expected.map((weight, d) => weight - (0.5 * gradient[d]!) / points.length);
    }
    for (const [d, weight] of weights.entries()) expect(weight).toBeCloseTo(expected[d]!, 9);
    expect(accuracy).toBe(points.filter(({ x, y }) => dot(expected, x) * y > 0).length / points.length);
    expect(accuracy).toBeGreaterThan(0.98);
  });

  it('analyses a log', async () => {
    const found = await logAnalysis(sc, []);
    expect(found).toEqual(plainLogAnalysis(5000));
    expect(found).toMatchObject(SPARK.logAnalysis);
  });

  it('joins where one key has nearly all rows', async () => {
    const clicks = groups(
      numbers(20_000)
        .map(clickOf)
        .map(([user, seconds]): [string, number] => [countryOf(user), seconds]),
    );
    const expected = [...clicks].map(([country, seconds]) => [country, total(seconds)]).sort();
    expect(await skewedJoin(sc, [])).toEqual({ joined: expected, broadcast: expected, salted: expected });
    expect(expected).toEqual(SPARK.skewedJoin);
  });

  it('closes a graph', async () => {
    const next = groups(edgesOf(100, 120));
    const reached = (from: number) => {
      const found = new Set<number>();
      const open = [from];
      for (let node = open.pop(); node !== undefined; node = open.pop())
        for (const to of next.get(node) ?? []) if (!found.has(to)) open.push(found.add(to) && to);
      return [...found].sort((a, b) => a - b);
    };
    const { paths, fromZero } = await transitiveClosure(sc, []);
    expect(paths).toBe(total(numbers(100).map((node) => reached(node).length)));
    expect(fromZero).toEqual(reached(0));
    expect(paths).toBe(SPARK.transitiveClosure);
  });

  it('estimates pi', async () => {
    const inside = total(numbers(8).map((partition) => total(inCircle(partition, numbers(12_500)))));
    expect(await pi(sc, ['--samples', '100000'])).toEqual({ pi: (4 * inside) / 100_000, samples: 100_000 });
  });

  it('indexes texts', async () => {
    const files = globSync('docs/*.md', { cwd: root, absolute: true }).map(
      (path) => [basename(path), wordsOf(readFileSync(path, 'utf8'))] as const,
    );
    const lookUp = (wanted: string) =>
      files
        .map(([file, words]) => ({ file, count: words.filter((word) => word === wanted).length }))
        .filter(({ count }) => count > 0)
        .sort((a, b) => byCount([a.file, a.count], [b.file, b.count]));
    const { words, found } = await invertedIndex(sc, ['--words', 'shuffle,lineage,nowhere-to-be-found']);
    expect(words).toBe(new Set(files.flatMap(([, all]) => all)).size);
    expect(found).toEqual({ shuffle: lookUp('shuffle'), lineage: lookUp('lineage'), 'nowhere-to-be-found': [] });
  });

  it('sorts within keys', async () => {
    const stations = groups(
      numbers(20_000)
        .map((i) => readingOf(i, 20_000))
        .sort((a, b) => a.hour - b.hour)
        .map(({ station, degrees }): [number, number] => [station, degrees]),
    );
    const longest = (degrees: number[]) => {
      const signs = degrees.map((each) => (each > 20 ? '+' : '-')).join('');
      return Math.max(...signs.split(/-+/).map((run) => run.length));
    };
    const expected = [...stations].map(([station, degrees]) => [station, longest(degrees)]);
    const { spells } = await secondarySort(sc, []);
    expect(spells).toEqual(expected.sort(([a], [b]) => (a as number) - (b as number)));
    expect(spells.map(([, hours]) => hours)).toEqual(SPARK.secondarySort);
  });

  it('cuts recordings into windows', async () => {
    const { windows, byActivity, largestJumps } = await sensorWindows(sc, []);
    const moved: [string, number][] = [];
    for (const path of globSync('data/motionsense-sample/*/sub_*.csv', { cwd: root, absolute: true })) {
      const rows = readFileSync(path, 'utf8')
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.split(',').map(Number));
      const squares = rows.map((row): [number, number] => [
        Math.floor(row[0]! / 100),
        total(row.slice(-3).map((x) => Math.fround(x) ** 2)),
      ]);
      const [, activity] = /\/([a-z]+)_\d+\/sub/.exec(path)!;
      for (const window of groups(squares).values())
        if (window.length === 100) moved.push([activity!, Math.sqrt(total(window) / 100)]);
    }
    expect(windows).toBe(moved.length);
    const expected = [...groups(moved)].map(([activity, all]): [string, number] => [activity, total(all) / all.length]);
    expect(byActivity.map(([activity]) => activity)).toEqual(['sit', 'std', 'ups', 'dws', 'wlk', 'jog']);
    for (const [activity, movement] of byActivity) expect(movement).toBeCloseTo(new Map(expected).get(activity)!, 9);
    expect(largestJumps[0]![0]).toEqual(['jog', 16, 10]);
  });
});

describe('on local-cluster[2,1]', () => {
  let sc: SheafContext;
  beforeAll(async () => {
    sc = await SheafContext.create({ master: 'local-cluster[2,1]', conf: { 'sheaf.eventLog.enabled': 'false' } });
  });
  afterAll(() => sc.stop());

  it('ranks pages', () => checkPageRank(sc));

  it('analyses a log', async () => {
    expect(await logAnalysis(sc, [])).toEqual(plainLogAnalysis(5000));
  });
});
