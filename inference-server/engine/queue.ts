/** First in, first out, with a bound, and room for those who give up. */
export interface BoundedQueue<T> {
  /** False when the queue is full: nothing was added. */
  push(item: T): boolean;
  shift(): T | undefined;
  /** Takes an item out of the middle; false when it is not in the queue any more. */
  remove(item: T): boolean;
  size(): number;
  /** Empties the queue, oldest first. */
  drain(): T[];
}

export function createQueue<T>(depth: number): BoundedQueue<T> {
  // A set keeps insertion order, and takes from anywhere in constant time.
  const items = new Set<T>();
  return {
    push(item) {
      if (items.size >= depth) return false;
      items.add(item);
      return true;
    },
    shift() {
      const next = items.values().next();
      if (next.done === true) return undefined;
      items.delete(next.value);
      return next.value;
    },
    remove: (item) => items.delete(item),
    size: () => items.size,
    drain() {
      const all = [...items];
      items.clear();
      return all;
    },
  };
}
