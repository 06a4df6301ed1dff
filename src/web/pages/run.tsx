import { Show } from 'solid-js';
import { useRun } from '../run/source.ts';
import { RunView } from '../run/view.tsx';

export default function RunPage(props: { params: Record<string, string> }) {
  return (
    <Show when={props.params['id']} keyed>
      {(id) => <Of id={id} tab={props.params['tab']} />}
    </Show>
  );
}

function Of(props: { id: string; tab: string | undefined }) {
  const source = useRun(props.id);
  return <RunView source={source} tab={props.tab} />;
}
