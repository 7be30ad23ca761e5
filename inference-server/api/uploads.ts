import { refusal } from '../messages.ts';

export interface Uploads {
  /** @throws RequestError `queue_full` when too many bodies are being read already. */
  during<T>(read: () => Promise<T>): Promise<T>;
}

/** Bounds how many bodies are in memory half read: the queue bounds only what is whole. */
export function boundUploads(most: number): Uploads {
  let reading = 0;
  return {
    async during(read) {
      if (reading >= most) throw refusal('queue_full', { retryAfter: 2 });
      reading++;
      try {
        return await read();
      } finally {
        reading--;
      }
    },
  };
}
