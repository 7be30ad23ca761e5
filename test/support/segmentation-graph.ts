import { conv, field, message, modelOf, tensor, valueInfo } from './onnx.ts';

export interface SegmentationGraph {
  size: number;
  /** One for a mask, more for classes. */
  channels: number;
  /** The mask is how bright the surroundings are, which leaves large parts certain; else it is an edge everywhere. */
  bright?: boolean;
}

const HIDDEN = 4;
const KERNEL = 5;

/** Weights that are the same everywhere, about evenly between -1 and 1, then scaled. */
function weights(count: number, seed: number, scale: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state / 0x40000000 - 1) * scale;
  });
}

/**
 * A graph with the inputs and outputs of rembg's models: a picture [1, 3, size, size] under the name that an exporter
 * gave it, and two outputs, of which the first counts. Two convolutions of 5 × 5 make it depend on neighbours.
 */
export function segmentationGraph({ size, channels, bright = false }: SegmentationGraph): Buffer {
  const area = KERNEL * KERNEL;
  const first = HIDDEN * 3 * area;
  const second = channels * HIDDEN * area;
  const graph = message(
    [
      conv('input.1', 'w1', 'hidden', 2),
      conv('hidden', 'w2', '1959', 2),
      conv('hidden', 'w3', '1960', 2),
    ].map((node) => field(1, node)),
    field(2, 'segmentation'),
    field(
      5,
      tensor(
        'w1',
        [HIDDEN, 3, KERNEL, KERNEL],
        bright ? new Float32Array(first).fill(1 / area) : weights(first, 7, 0.2),
      ),
    ),
    field(
      5,
      tensor(
        'w2',
        [channels, HIDDEN, KERNEL, KERNEL],
        bright ? new Float32Array(second).fill(1 / area) : weights(second, 11, 0.5),
      ),
    ),
    field(5, tensor('w3', [1, HIDDEN, KERNEL, KERNEL], weights(HIDDEN * area, 13, 0.5))),
    field(11, valueInfo('input.1', [1, 3, size, size])),
    field(12, valueInfo('1959', [1, channels, size, size])),
    field(12, valueInfo('1960', [1, 1, size, size])),
  );
  return modelOf(graph);
}
