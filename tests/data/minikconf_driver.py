# Runs QEMU's own scripts/minikconf.py over many selections in one process.
# usage: minikconf_driver.py TREE < requests.json > answers.json
# A request: {"mode": "allnoconfig"|"defconfig", "devices": path or null, "symbols": [...], "host": ["CONFIG_X=y", ...]}
# An answer: the sorted symbols that are y, or "error".
import io, json, os, sys, re, contextlib
tree = sys.argv[1]
sys.path.insert(0, os.path.join(tree, 'scripts'))
import minikconf as m
os.chdir(tree)
answers = []
for request in json.load(sys.stdin):
    mode = m.allnoconfig if request['mode'] == 'allnoconfig' else m.defconfig
    data = m.KconfigData(mode)
    parser = m.KconfigParser(data)
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        try:
            if request['devices']:
                with open(request['devices']) as fp:
                    parser.parse_file(fp)
            for symbol in request['symbols']:
                parser.do_assignment('CONFIG_' + symbol, True)
            with open('Kconfig') as fp:
                parser.parse_file(fp)
            for word in request['host']:
                name, value = re.match(r'^(CONFIG_[A-Z0-9_]+)=([yn]?)$', word).groups()
                parser.do_assignment(name, value == 'y')
            answers.append(sorted(k for k, v in data.compute_config().items() if v))
        except Exception:
            answers.append('error')
json.dump(answers, sys.stdout)
