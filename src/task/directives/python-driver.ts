/**
 * What python3 runs to call into a task: it reads the request from its input and answers on
 * descriptor 3, so that what the task prints stays the task's. Only the standard library is used.
 */
export const PYTHON_DRIVER = `
import importlib.machinery, importlib.util, json, os, sys, traceback


def load(path):
    name = os.path.splitext(os.path.basename(path))[0]
    loader = importlib.machinery.SourceFileLoader(name, path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    sys.modules[name] = module
    loader.exec_module(module)
    return module


def perform(request):
    path, name = request["file"], request["callable"]
    try:
        module = load(path)
        target = getattr(module, name, None)
        if not callable(target):
            known = [key for key, value in vars(module).items()
                     if callable(value) and not key.startswith("_")]
            return {"kind": "no_callable", "known": known}
        value = target(**request["kwargs"])
    except SystemExit as end:
        if end.code not in (None, 0):
            return {"kind": "raised", "error": "SystemExit: %s" % (end.code,)}
        value = None
    except BaseException as error:
        own = error.__traceback__
        while own is not None and own.tb_frame.f_code.co_filename != path:
            own = own.tb_next
        traceback.print_exception(type(error), error, own)
        lines = traceback.format_exception_only(type(error), error)
        return {"kind": "raised", "error": lines[-1].strip()}
    try:
        return {"kind": "returned", "value": json.loads(json.dumps(value, allow_nan=False))}
    except (TypeError, ValueError, RecursionError) as error:
        return {"kind": "unusable", "error": str(error)}


request = json.loads(sys.stdin.buffer.read().decode("utf-8"))
os.set_inheritable(3, False)
sys.argv = [request["file"]]
sys.path[0] = os.path.dirname(request["file"])
answer = json.dumps(perform(request))
with os.fdopen(3, "w", encoding="utf-8") as channel:
    channel.write(answer)
`;
