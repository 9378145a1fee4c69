// Customers, found by what people know of them: a piece of the id, a name, a number, a segment.
import { useQuery } from '@tanstack/react-query';
import { Flex, Input, Select, Tag } from 'antd';
import { useDeferredValue } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'wouter';
import { get, segment as part } from '../api/client';
import type { CustomerRow, Segment } from '../api/types';
import { usePages } from '../ui/pages';
import { At, CustomerLink, Failure, Page, valueText } from '../ui/show';
import { DataTable, type Column } from '../ui/table';
import { number } from '../ui/time';
import { useUrlState } from '../ui/url';
import '../generated/rest.css';

const orders = ['customer', 'name', '-changed', 'changed'] as const;

export default function Customers() {
  const { t } = useTranslation();
  const [url, setUrl] = useUrlState();
  const q = useDeferredValue(url['q'] ?? '');
  const query = { q, segment: url['segment'], sort: url['sort'], rows: true };
  const pages = usePages<CustomerRow>('/v1/customers', query, 'rows', 'cursor', { limit: 100 });
  const segments = useQuery({ queryKey: ['segments'], queryFn: () => get<{ segments: Segment[] }>('/v1/segments'), staleTime: 30_000 });
  const columns: Column<CustomerRow>[] = [
    { key: 'id', title: t('common.customer'), text: (each) => each.customer, render: (_, each) => <CustomerLink id={each.customer} /> },
    { key: 'name', title: t('common.name'), text: (each) => valueText(each.attributes['name'] ?? each.attributes['company']) },
    { key: 'segments', title: t('customer.segments'), text: (each) => each.segments.join(' '), render: (_, each) => <Flex gap={4} wrap>{each.segments.map((name) => <Link key={name} href={`/segments/${part(name)}`}>{name}</Link>)}</Flex> },
    { key: 'tags', title: t('customer.tags'), text: (each) => each.tags.join(' '), render: (_, each) => <>{each.tags.map((tag) => <Tag key={tag}>{tag}</Tag>)}</> },
    { key: 'changed', title: t('customers.changed'), text: (each) => each.changed, render: (_, each) => <At at={each.changed} /> },
  ];
  return (
    <Page title={t('customers.title')} extra={pages.first && <span className="quiet">{t('customers.total', { count: number(pages.first['total'] as number) })}</span>}>
      {pages.asked.error && pages.rows.length === 0 ? (
        <Failure error={pages.asked.error} retry={() => void pages.asked.refetch()} />
      ) : (
        <DataTable
          name="customers"
          columns={columns}
          rows={pages.rows}
          rowKey={(each) => each.customer}
          empty={t('customers.empty')}
          loading={pages.asked.isPending}
          more={pages.more}
          loadingMore={pages.asked.isFetchingNextPage}
          all={pages.all}
          filters={
            <>
              <Input.Search allowClear aria-label={t('customers.search')} placeholder={t('customers.search')} defaultValue={url['q']} onChange={(event) => setUrl({ q: event.target.value })} style={{ minWidth: 260 }} />
              <Select
                aria-label={t('customers.segment')}
                style={{ minWidth: 180 }}
                showSearch
                value={url['segment'] ?? ''}
                onChange={(chosen) => setUrl({ segment: chosen })}
                options={[{ value: '', label: `${t('customers.segment')}: ${t('table.any')}` }, ...(segments.data?.segments ?? []).map(({ name }) => ({ value: name, label: name }))]}
              />
              <Select aria-label={t('customers.order')} style={{ minWidth: 160 }} value={url['sort'] ?? 'customer'} onChange={(sort) => setUrl({ sort })} options={orders.map((value) => ({ value, label: t(`customers.by.${value}`) }))} />
            </>
          }
        />
      )}
    </Page>
  );
}
