import type { Precision } from '../backend.js';
import type { Attribute, GraphNode, Signature } from './graph-builder.js';

const PRODUCTS: Readonly<Record<string, readonly [left: string, right: string]>> = {
  MatMul: ['transpose_a', 'transpose_b'],
  BatchMatMulV2: ['adj_x', 'adj_y'],
};

/**
 * The same graph with its float32 products as `SheafMatMul` (native/product_op.cc), which computes them on the processor's
 * matrix units. A bias, a ReLU or a ReLU's gradient that nothing but a product goes into becomes part of it, as do the rows
 * that a left factor is gathered from; a product that a call fetches is computed where the caller wants it.
 *
 * @param signatures what calls read, which must stay
 * @example onMatrixUnits(graph.nodes, Object.values(graph.signatures), 'float32')
 */
export function onMatrixUnits(
  nodes: readonly GraphNode[],
  signatures: readonly Signature[],
  precision: Precision,
): readonly GraphNode[] {
  const uses = countUses(nodes, signatures);
  const made = new Map<string, GraphNode>();
  /** A product that only its reader needs. */
  const absorbed = (input: string, epilogue: string) => {
    const node = made.get(nameOf(input));
    if (node?.op !== 'SheafMatMul' || uses.get(node.name) !== 1 || text(node.attributes.epilogue) !== epilogue) return;
    made.delete(node.name);
    return node;
  };
  const fused = (node: GraphNode): GraphNode => {
    const [first, second] = node.inputs as [string, string];
    if (node.op in PRODUCTS && isFloat(node)) return product(node, made.get(nameOf(first)), precision);
    if (node.op === 'BiasAdd') return extended(node, absorbed(first, 'none'), 'bias', [second]);
    if (node.op === 'Relu') return extended(node, absorbed(first, 'bias'), 'bias_relu', []);
    if (node.op === 'ReluGrad') return extended(node, absorbed(first, 'none'), 'where_positive', [second]);
    return node;
  };
  for (const node of nodes) made.set(node.name, fused(node));
  const places = destinations(signatures);
  return [...made.values()].map((node) =>
    node.op === 'SheafMatMul' ? { ...node, attributes: { ...node.attributes, ...places.get(node.name) } } : node,
  );
}

/** Places of what the one call of a graph fetches, and once; with several calls, one's product may be needed by another's. */
function destinations(signatures: readonly Signature[]): ReadonlyMap<string, { destination: Attribute }> {
  const places = new Map<string, { destination: Attribute }>();
  if (signatures.length !== 1) return places;
  Object.values(signatures[0]!.outputs).forEach(({ node }, place) => {
    places.set(node, { destination: { int: places.has(node) ? -1 : place } });
  });
  return places;
}

/** @param from the left factor's node */
function product(
  { name, op, inputs, attributes }: GraphNode,
  from: GraphNode | undefined,
  precision: Precision,
): GraphNode {
  const [left, right] = PRODUCTS[op]!;
  const gathered = from?.op === 'GatherV2';
  return {
    name,
    op: 'SheafMatMul',
    inputs: gathered ? [from.inputs[0]!, inputs[1]!, from.inputs[1]!] : inputs,
    attributes: {
      N: { int: 0 },
      R: { int: gathered ? 1 : 0 },
      destination: { int: -1 },
      transpose_left: attributes[left]!,
      transpose_right: attributes[right]!,
      rounded: { bool: precision === 'bf16' },
      epilogue: { string: 'none' },
    },
  };
}

/** The product with the node's work, under the node's name; the node itself where there is no product. */
function extended(
  node: GraphNode,
  product: GraphNode | undefined,
  epilogue: string,
  others: readonly string[],
): GraphNode {
  if (!product) return node;
  const inputs = [...product.inputs, ...others];
  return {
    ...product,
    name: node.name,
    inputs,
    attributes: { ...product.attributes, N: { int: 1 }, epilogue: { string: epilogue } },
  };
}

function countUses(nodes: readonly GraphNode[], signatures: readonly Signature[]): ReadonlyMap<string, number> {
  const read = nodes.flatMap(({ inputs }) => inputs.map(nameOf));
  const fetched = signatures.flatMap(({ outputs }) => Object.values(outputs).map(({ node }) => node));
  const uses = new Map<string, number>();
  for (const name of [...read, ...fetched]) uses.set(name, (uses.get(name) ?? 0) + 1);
  return uses;
}

const nameOf = (input: string) => input.replace(/^\^|:\d+$/g, '');
const isFloat = ({ attributes: { T } }: GraphNode) => T !== undefined && 'type' in T && T.type === 'float32';
const text = (attribute: Attribute | undefined) => attribute && 'string' in attribute && attribute.string;
