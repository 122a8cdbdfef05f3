"""The reward function of RFT and `rft_eval`: samples in, rewards out. Its deployed name contains "SageMaker"."""

import json
import os
import time

from toolsmith.grading import grade_samples


def handler(event, context):
    """A list of samples (or one) becomes the list of their rewards; see toolsmith.grading.samples."""
    started = time.perf_counter()
    results = grade_samples(event)
    print(json.dumps(_metrics(results, 1000 * (time.perf_counter() - started))))
    return results


def _metrics(results, milliseconds):
    """CloudWatch embedded metric format; numbers only, never what a sample says."""
    faults = [m["value"] for result in results for m in result["metrics_list"] if m["name"] == "grader_error"]
    units = {"Samples": "Count", "GraderErrors": "Count", "GradingTime": "Milliseconds", "MeanReward": "None"}
    return {
        "_aws": {
            "Timestamp": int(1000 * time.time()),
            "CloudWatchMetrics": [
                {
                    "Namespace": "Toolsmith",
                    "Dimensions": [["service"]],
                    "Metrics": [{"Name": name, "Unit": unit} for name, unit in units.items()],
                }
            ],
        },
        "service": os.environ.get("POWERTOOLS_SERVICE_NAME", "toolsmith"),
        "Samples": len(results),
        "GraderErrors": int(sum(faults)),
        "GradingTime": round(milliseconds, 3),
        "MeanReward": round(sum(r["aggregate_reward_score"] for r in results) / max(1, len(results)), 6),
    }
