import type { LineageNode } from '../scheduler/lineage.js';
import { partitionCount } from '../scheduler/partition-input.js';

const names = new WeakMap<LineageNode, string>();

/** What `setName` said of an RDD. */
export function nameOf(node: LineageNode): string | undefined {
  return names.get(node);
}

export function giveName(node: LineageNode, name: string): void {
  names.set(node, name);
}

/**
 * The lineage, as Spark prints it: the RDD first, what it is made of below. A shuffle's parent, and each of several parents,
 * begins a block of its own with `+-`. In brackets the number of partitions, `?` where a source has not been planned yet.
 */
export function debugString(top: LineageNode): string {
  const lines: string[] = [];
  const printed = new Set<LineageNode>();
  // An own stack: a lineage may be 10,000 steps long. A node's line begins with `first`, those below it with `rest`.
  const stack = [{ node: top, ...block('', '', top) }];
  for (let at = stack.pop(); at; at = stack.pop()) {
    const { node, first, rest } = at;
    const again = printed.has(node) && node.parents.length > 0;
    lines.push(`${first} ${describe(node)}${again ? ' (as above)' : ''}`);
    if (again) continue;
    printed.add(node);
    const { parents } = node;
    const inBlocks = node.step.kind === 'shuffle-read' || parents.length > 1;
    const margin = rest.slice(0, -1);
    const entries = parents.map((parent, index) => {
      if (!inBlocks) return { node: parent, first: rest, rest };
      return { node: parent, ...block(`${margin}+-`, margin + (index < parents.length - 1 ? '|' : ' '), parent) };
    });
    stack.push(...entries.reverse());
  }
  return lines.join('\n');
}

/** How a block's first line begins, and those below it: with a bar under the end of its head. */
function block(before: string, margin: string, node: LineageNode): { first: string; rest: string } {
  const first = before + head(node);
  return { first, rest: `${margin.padEnd(first.length - 1)}|` };
}

function head(node: LineageNode): string {
  try {
    return `(${partitionCount(node)})`;
  } catch {
    return '(?)';
  }
}

function describe(node: LineageNode): string {
  const name = names.get(node);
  return `${name === undefined ? '' : `${name} `}[${node.id}] ${node.name}${node.persisted ? ` [${node.persisted.level}]` : ''}`;
}
