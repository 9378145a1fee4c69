// Lists that nudged hands out a page at a time, by cursor.
import { useInfiniteQuery } from '@tanstack/react-query';
import { get, type Query } from '../api/client';

type Cursor = string | number | null;
const limitOfAll = 200_000;

/** Pages of `path`: `rows` takes a page's rows out of the answer, `cursor` is the parameter that `next` is given back as. */
export function usePages<Row>(path: string, query: Query, rows: string, cursor: 'before' | 'after' | 'cursor', options: { limit?: number; every?: number; enabled?: boolean } = {}) {
  const limit = options.limit ?? 50;
  const fetchPage = (next: Cursor, signal?: AbortSignal, size = limit) => get<Record<string, unknown>>(path, { ...query, limit: size, [cursor]: next }, signal);
  const asked = useInfiniteQuery({
    queryKey: [path, query, limit],
    queryFn: ({ pageParam, signal }) => fetchPage(pageParam, signal),
    initialPageParam: null as Cursor,
    getNextPageParam: (page) => (page['next'] as Cursor) ?? undefined,
    refetchInterval: (running) => (options.every && (running.state.data?.pages.length ?? 0) <= 1 ? options.every : false),
    enabled: options.enabled ?? true,
  });
  const all = async (progress: (count: number) => void): Promise<Row[]> => {
    const found: Row[] = [];
    let next: Cursor = null;
    do {
      const page: Record<string, unknown> = await fetchPage(next, undefined, 1000);
      found.push(...(page[rows] as Row[]));
      progress(found.length);
      next = (page['next'] as Cursor) ?? null;
    } while (next !== null && found.length < limitOfAll);
    return found;
  };
  return {
    asked,
    all,
    rows: asked.data?.pages.flatMap((page) => page[rows] as Row[]) ?? [],
    first: asked.data?.pages[0],
    more: asked.hasNextPage ? () => void asked.fetchNextPage() : undefined,
  };
}
