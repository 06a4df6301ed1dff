/** What came in, and what each message started, or why it did not. */
import { For, Show } from 'solid-js';
import type { MessageView } from '../../protocol/devtools.ts';
import { dateTime, parseInstant } from '../base/clock.ts';
import { plural } from '../base/text.ts';
import { useAnswer } from '../base/use.ts';
import { Fault, RunLink } from '../parts/basics.tsx';
import '../styles/messages.css';

export default function MessagesPage() {
  const messages = useAnswer<MessageView[]>(() => '/api/messages?limit=100', {
    refreshOn: ({ type }) => type === 'run.submitted',
    everyMs: 1000,
    pollMs: 5000,
  });
  return (
    <div class="grid">
      <h1 class="unseen">Messages</h1>
      <Fault error={messages.error()} />
      <section class="panel" aria-label="Messages that came in">
        <ol class="plain-list messages">
          <For
            each={messages.data()}
            fallback={
              <li class="empty">
                No message has come in yet. Send one: <code>runyard trigger send FILE</code>
              </li>
            }
          >
            {(message) => <Message message={message} />}
          </For>
        </ol>
      </section>
    </div>
  );
}

function Message(props: { message: MessageView }) {
  const outcome = () => props.message.outcome;
  const started = () => outcome()?.runs.length ?? 0;
  const tone = () => (props.message.error ? 'FAILED' : started() > 0 ? 'COMPLETE' : 'NEW');
  const says = () =>
    props.message.error ? 'refused' : started() > 0 ? plural(started(), 'run') : 'nothing started';
  return (
    <li class="message-in">
      <div class="bar">
        <span class={`badge tone-${tone()}`}>{says()}</span>
        <strong class="mono">{props.message.topic ?? 'without a topic'}</strong>
        <span class="rest" />
        <span class="soft">by {props.message.by}</span>
        <time class="soft number" datetime={props.message.at}>
          {dateTime(parseInstant(props.message.at))}
        </time>
      </div>
      <Show when={props.message.error}>
        {(error) => (
          <p class="fault">
            {error().code}: {error().message}
          </p>
        )}
      </Show>
      <Show when={outcome()}>
        {(now) => (
          <ul class="plain-list message-why">
            <For each={now().matched}>{(line) => <li>✓ {line}</li>}</For>
            <For each={now().discarded}>{(line) => <li class="soft">– {line}</li>}</For>
            <Show when={now().runs.length > 0}>
              <li class="bar">
                runs: <For each={now().runs}>{(id) => <RunLink id={id} />}</For>
                <Show when={now().job}>
                  {(job) => <a href={`/runs?q=job:${job()}`}>the whole job</a>}
                </Show>
              </li>
            </Show>
          </ul>
        )}
      </Show>
    </li>
  );
}
